"""End sessions, and begin one that holds on: the same SQL on a cluster and on a twin."""

from lab.postgres.roles import quote

GONE_WITHIN_MS = 5000
OBSERVER = "observer"
LONGEST_HOLD_S = 3600.0


def terminate(beginning: str) -> str:
    """Return SQL that ends the sessions whose application_name begins so, and counts them.

    It waits until each is gone. Only those of the same database count, and neither the one
    that asks nor the observer's.
    https://www.postgresql.org/docs/18/functions-admin.html#FUNCTIONS-ADMIN-SIGNAL
    """
    return _terminate(f"starts_with(application_name, {quote(beginning)})")


def terminate_named(application: str) -> str:
    """Return SQL that ends the sessions of exactly that application_name, and counts them."""
    return _terminate(f"application_name = {quote(application)}")


def _terminate(which: str) -> str:
    return (
        f"SELECT count(*) FILTER (WHERE pg_terminate_backend(pid, {GONE_WITHIN_MS}))"  # noqa: S608 - quoted above
        f" FROM pg_stat_activity WHERE {which} AND datname = current_database()"
        f" AND pid <> pg_backend_pid() AND application_name <> {quote(OBSERVER)};"
    )


def hold_active(seconds: float | None) -> str:
    """Return a statement during which a session is active; the hold has a bound of its own."""
    return f"SELECT pg_sleep({LONGEST_HOLD_S if seconds is None else seconds:g});"


def bounded(seconds: float) -> str:
    """Return a statement that ends those after it when they take longer."""
    return f"SET statement_timeout = {int(seconds * 1000)};"
