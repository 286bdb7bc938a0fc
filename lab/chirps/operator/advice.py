"""May this session be ended, and what is to be typed for it?

Whether a transaction has written is not guessed from its SQL: one without an id has not, so that
ending it loses nothing that anybody was promised.
https://www.postgresql.org/docs/18/functions-admin.html#FUNCTIONS-ADMIN-SIGNAL
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lab.chirps.operator.identity import Kind
from lab.chirps.operator.sessions import Session

GIDS = "SELECT gid, prepared, owner FROM pg_prepared_xacts WHERE database = current_database()"
SHOW_MORE = "GRANT pg_read_all_stats TO"


@dataclass(frozen=True, slots=True)
class Advice:
    """`is_safe` is None when it cannot be told; `statement` is to be typed only if one means it."""

    is_safe: bool | None
    because: str
    statement: str

    @property
    def verdict(self) -> str:
        return {True: "safe to end", False: "not safe to end", None: "cannot tell"}[self.is_safe]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def cancel(pid: int) -> str:
    """The statement ends, the session stays."""
    return f"SELECT pg_cancel_backend({pid});"


def terminate(pid: int) -> str:
    """The session ends; for one that is idle a cancel does nothing."""
    return f"SELECT pg_terminate_backend({pid});"


def advise(session: Session) -> Advice:
    """Return what ending this one would do."""
    statement = (cancel if session.state == "active" else terminate)(session.pid)
    if session.identity.kind is Kind.MIGRATION:
        return Advice(
            False,
            "it is a migration: its file is undone if it runs in a transaction and left half done "
            "if not; look at its log first",
            statement,
        )
    if session.is_hidden:
        return Advice(None, "this role may not see what it does", statement)
    if session.backend == "autovacuum worker":
        return of_autovacuum(session)
    if session.backend != "client backend":
        return Advice(None, f"it is no client but a {session.backend}", statement)
    return of_client(session, statement)


def of_autovacuum(session: Session) -> Advice:
    if "(to prevent wraparound)" in session.query:
        because = "it is an autovacuum to prevent wraparound: let it end"
        return Advice(False, because, cancel(session.pid))
    return Advice(True, "an autovacuum starts again by itself", cancel(session.pid))


def of_client(session: Session, statement: str) -> Advice:
    forgotten = forgotten_by(session)
    if session.state == "idle in transaction (aborted)":
        return Advice(True, f"its transaction has failed and cannot commit{forgotten}", statement)
    if session.has_written:
        return Advice(
            False,
            f"its transaction has written or locked rows; what it wrote would be undone{forgotten}",
            statement,
        )
    if session.state == "active":
        return Advice(True, "it has written nothing; its client is told 57014", statement)
    if session.state == "idle in transaction":
        because = f"it has written nothing and only waits for its client{forgotten}"
        return Advice(True, because, statement)
    return Advice(None, "it is in no transaction but holds a lock of its session", statement)


def forgotten_by(session: Session) -> str:
    who = session.identity
    if who.kind is Kind.SERVICE and (session.state or "").startswith("idle in transaction"):
        # lab.chirps.database: statements of the service run in autocommit.
        return f"; release {who.release} leaves no transaction open, so it was forgotten"
    return ""


def of_prepared() -> Advice:
    """pg_blocking_pids calls a prepared transaction 0."""
    because = "a prepared transaction holds it; who prepared it must say whether it commits"
    return Advice(False, because, f"{GIDS}; ROLLBACK PREPARED 'the gid';")


def rights(hidden: Sequence[Session], role: str) -> tuple[str, ...]:
    """What lets this role see more, when it saw too little."""
    return (f"{SHOW_MORE} {role};",) if hidden else ()
