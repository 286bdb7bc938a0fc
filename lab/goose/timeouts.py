"""How long may the statements of one file wait, and run?"""

import contextlib
from collections.abc import Iterator, Mapping

import psycopg

from lab.goose.annotations import Annotations
from lab.goose.errors import GooseError
from lab.goose.options import Options
from lab.goose.table import Connection, message_of

GET = "SELECT current_setting(%s)"
SET = "SELECT set_config(%s, %s, false)"
# PostgreSQL counts in 32 bits.
MOST_MS = 2**31 - 1


def wanted(options: Options, notes: Annotations) -> Mapping[str, str]:
    """Return the settings to make, as PostgreSQL reads them; 0 is no limit."""
    asked = {
        "lock_timeout": options.lock_timeout_of(notes),
        "statement_timeout": options.statement_timeout_s,
    }
    return {name: in_ms(value) for name, value in asked.items() if value is not None}


def in_ms(seconds: float) -> str:
    # What rounds to 0 would be no limit at all.
    return f"{min(max(1, round(seconds * 1000)), MOST_MS) if seconds else 0}ms"


@contextlib.contextmanager
def limited(connection: Connection, settings: Mapping[str, str]) -> Iterator[None]:
    """Make `settings` for the session, and put back what was there before.

    Outside of the file's transaction, so that a ROLLBACK does not undo them.
    """
    before = {name: change(connection, name, value) for name, value in settings.items()}
    try:
        yield
    finally:
        # A session that is gone has no settings.
        with contextlib.suppress(GooseError):
            for name, value in before.items():
                change(connection, name, value)


def change(connection: Connection, name: str, value: str) -> str:
    """Return what the setting was."""
    try:
        (before,) = connection.execute(GET, (name,)).fetchone() or ("",)
        connection.execute(SET, (name, value))
    except psycopg.Error as exc:
        raise GooseError(f"{name} cannot be set to {value}: {message_of(exc)}") from exc
    return str(before)
