"""Run migrations, one file after the other, and record each.

A file runs in one transaction together with its version row, so it is applied whole or not
at all. A NO TRANSACTION file is not: its row is written after its last statement, and what
ran before a failure stays.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from lab.goose import plan, table
from lab.goose.errors import GooseError, MigrationFailed
from lab.goose.files import Migration
from lab.goose.parse import Script, Statement
from lab.goose.table import Connection, message_of

Event = Mapping[str, Any]
OnEvent = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Applied:
    """One file that was applied, in `seconds`, with that many `statements`."""

    version: int
    name: str
    statements: int
    in_transaction: bool
    seconds: float


def ignore(event: Event) -> None:
    """Listen to nothing."""


def up(
    connection: Connection,
    migrations: Iterable[Migration],
    to: int | None = None,
    on_event: OnEvent = ignore,
) -> tuple[Applied, ...]:
    """Apply what is pending, up to version `to`, and return what was applied.

    `connection` must be in autocommit mode and outside of a transaction. `on_event` gets a
    JSON object for each step: `event` is table_created, applying, applied, failed or
    up_to_date. Raises GooseError; files applied before the failure stay applied.
    """
    require_autocommit(connection)
    wanted = plan.up_to(migrations, to)
    rows = table.read_rows(connection)
    if rows is None:
        table.create(connection)
        on_event({"event": "table_created"})
    # A table without any applied version is damaged, and not a database to begin with.
    version = 0 if rows is None else table.current(rows)
    recorded = {0} if rows is None else {row.version for row in rows}
    pending = plan.pending(wanted, recorded)
    if not pending:
        on_event({"event": "up_to_date", "version": version})
    return tuple(run(connection, migration, on_event) for migration in pending)


def require_autocommit(connection: Connection) -> None:
    if not connection.autocommit or connection.info.transaction_status != TransactionStatus.IDLE:
        raise GooseError("migrations need a connection in autocommit mode without a transaction")


def run(connection: Connection, migration: Migration, on_event: OnEvent) -> Applied:
    """Apply one file and tell of it."""
    about = {"version": migration.version, "file": migration.name}
    on_event({"event": "applying", **about})
    begun = time.monotonic()
    try:
        script = migration.script()
        apply(connection, migration, script)
    except GooseError as exc:
        on_event({"event": "failed", **about, **facts(exc)})
        raise
    applied = Applied(
        migration.version,
        migration.name,
        len(script.statements),
        script.in_transaction,
        time.monotonic() - begun,
    )
    on_event(
        {
            "event": "applied",
            **about,
            "statements": applied.statements,
            "in_transaction": applied.in_transaction,
            "seconds": round(applied.seconds, 6),
        }
    )
    return applied


def facts(error: GooseError) -> dict[str, Any]:
    """Return what an error knows beyond its text."""
    known = ((name, getattr(error, name, None)) for name in ("line", "statement", "sqlstate"))
    return {"error": error.message, **dict(known)}


def apply(connection: Connection, migration: Migration, script: Script) -> None:
    if script.in_transaction:
        with transaction(connection, migration.name):
            execute_all(connection, migration.name, script)
            record(connection, migration)
    else:
        execute_all(connection, migration.name, script)
        record(connection, migration)


@contextlib.contextmanager
def transaction(connection: Connection, file: str) -> Iterator[None]:
    """Like psycopg's own, but a file that commits by itself is let through, as goose does."""
    with explained(file):
        connection.execute("BEGIN")
    try:
        yield
        with explained(file):
            connection.execute("COMMIT")
    except BaseException:
        # A lost connection cannot roll back, and needs not.
        with contextlib.suppress(psycopg.Error):
            connection.execute("ROLLBACK")
        raise


def close_if_stuck(connection: Connection) -> None:
    """A COPY that waits for rows leaves nothing else to do; the server rolls back then."""
    if connection.info.transaction_status == TransactionStatus.ACTIVE:
        connection.close()


def execute_all(connection: Connection, file: str, script: Script) -> None:
    for number, statement in enumerate(script.statements, start=1):
        try:
            with explained(file, statement, number):
                execute(connection, statement.text)
        finally:
            close_if_stuck(connection)
        if not script.in_transaction:
            refuse_open_transaction(connection, file, statement, number)


def execute(connection: Connection, text: str) -> None:
    """Run one statement of a file, which may hold several commands, as a block may."""
    # libpq would cut the text here, and the rest of it would be left out.
    if "\0" in text:
        raise psycopg.DataError("a statement cannot hold a zero byte")
    try:
        query = text.encode(connection.info.encoding)
    except UnicodeEncodeError as exc:
        raise psycopg.DataError(str(exc)) from exc
    # Several commands cannot be prepared, so without parameters and unprepared.
    connection.execute(query, prepare=False)


def refuse_open_transaction(
    connection: Connection, file: str, statement: Statement, number: int
) -> None:
    """goose would go on with another connection: the work is lost, the version recorded."""
    if connection.info.transaction_status == TransactionStatus.IDLE:
        return
    connection.execute("ROLLBACK")
    raise MigrationFailed(
        "a NO TRANSACTION file leaves a transaction open after one statement",
        file=file,
        line=statement.line,
        statement=number,
    )


def record(connection: Connection, migration: Migration) -> None:
    with explained(migration.name):
        table.record(connection, migration.version)


@contextlib.contextmanager
def explained(
    file: str, statement: Statement | None = None, number: int | None = None
) -> Iterator[None]:
    """Raise MigrationFailed for what PostgreSQL refuses, with the line it points at."""
    try:
        yield
    except psycopg.Error as exc:
        position = int(exc.diag.statement_position or 1)
        raise MigrationFailed(
            message_of(exc),
            file=file,
            line=None if statement is None else statement.line_of(position),
            statement=number,
            sqlstate=exc.sqlstate,
        ) from exc
