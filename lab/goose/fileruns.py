"""Run one file once, and write or remove its version row.

A file runs in one transaction together with its version row, so it is applied whole or not
at all. A NO TRANSACTION file is not: its row is written after its last statement, and what
ran before a failure stays.
"""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
from psycopg.pq import TransactionStatus

from lab.goose import floor, table
from lab.goose.crash import CrashPoint, Step, When
from lab.goose.errors import ConnectionLost, LockTimeout, MigrationFailed, StatementTimeout
from lab.goose.files import Migration
from lab.goose.options import Options
from lab.goose.parse import Direction, Script, Statement
from lab.goose.table import Connection, message_of


@dataclass(frozen=True, slots=True)
class FileRun:
    """One file in one direction, on one connection."""

    connection: Connection
    migration: Migration
    direction: Direction
    script: Script
    options: Options

    @property
    def file(self) -> str:
        return self.migration.name

    def execute(self) -> None:
        """Raises MigrationFailed, and BadOption for a crash point that the file does not have."""
        crash = self.options.crash
        if crash is not None and crash.version == self.migration.version:
            crash.require_within(
                self.file, len(self.script.statements), in_transaction=self.script.in_transaction
            )
        if self.script.in_transaction:
            with self.transaction():
                self.execute_all()
                self.write_row()
        else:
            self.execute_all()
            self.write_row()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Like psycopg's own, but a file that commits by itself is let through, as goose does."""
        with self.explained():
            self.connection.execute("BEGIN")
        try:
            yield
            with self.may_crash(Step.COMMIT), self.explained():
                self.connection.execute("COMMIT")
        except BaseException:
            # A lost connection cannot roll back, and needs not.
            with contextlib.suppress(psycopg.Error):
                self.connection.execute("ROLLBACK")
            raise

    def execute_all(self) -> None:
        for number, statement in enumerate(self.script.statements, start=1):
            with self.may_crash(number):
                self.execute_one(statement, number)

    def execute_one(self, statement: Statement, number: int) -> None:
        try:
            with self.explained(statement, number):
                send(self.connection, statement.text)
        finally:
            close_if_stuck(self.connection)
        if not self.script.in_transaction:
            self.refuse_open_transaction(statement, number)

    def refuse_open_transaction(self, statement: Statement, number: int) -> None:
        """goose would go on with another connection: the work is lost, the version recorded."""
        if self.connection.info.transaction_status == TransactionStatus.IDLE:
            return
        self.connection.execute("ROLLBACK")
        raise MigrationFailed(
            "a NO TRANSACTION file leaves a transaction open after one statement",
            file=self.file,
            line=statement.line,
            statement=number,
        )

    def write_row(self) -> None:
        version, name = self.migration.version, self.options.table
        with self.may_crash(Step.ROW), self.explained():
            if self.direction is Direction.UP:
                floor.require_floor(self.connection, self.migration, self.options.floor_table)
                table.record(self.connection, version, name=name)
            else:
                table.remove(self.connection, version, name=name)

    @contextlib.contextmanager
    def may_crash(self, place: int | Step) -> Iterator[None]:
        """Die before or after what is done within, if that is the crash point."""
        for when in When:
            if self.options.crash == CrashPoint(self.migration.version, place, when):
                self.options.die()
            if when is When.BEFORE:
                yield

    @contextlib.contextmanager
    def explained(
        self, statement: Statement | None = None, number: int | None = None
    ) -> Iterator[None]:
        """Raise MigrationFailed for what PostgreSQL refuses, with the line it points at."""
        begun = time.monotonic()
        try:
            yield
        except psycopg.Error as exc:
            position = int(exc.diag.statement_position or 1)
            failure = self.kind_of(exc, time.monotonic() - begun)
            raise failure(
                message_of(exc),
                file=self.file,
                line=None if statement is None else statement.line_of(position),
                statement=number,
                sqlstate=exc.sqlstate,
            ) from exc

    def kind_of(self, error: psycopg.Error, seconds: float) -> type[MigrationFailed]:
        if self.connection.closed:
            return ConnectionLost
        if error.sqlstate == "55P03":
            return LockTimeout
        # The same code is for a statement that somebody cancelled.
        limit = self.options.statement_timeout_s
        if error.sqlstate == "57014" and limit and seconds >= limit:
            return StatementTimeout
        return MigrationFailed


def close_if_stuck(connection: Connection) -> None:
    """A COPY that waits for rows leaves nothing else to do; the server rolls back then."""
    if connection.info.transaction_status == TransactionStatus.ACTIVE:
        connection.close()


def send(connection: Connection, text: str) -> psycopg.Cursor[object]:
    """Run one statement of a file, which may hold several commands, as a block may."""
    # libpq would cut the text here, and the rest of it would be left out.
    if "\0" in text:
        raise psycopg.DataError("a statement cannot hold a zero byte")
    try:
        query = text.encode(connection.info.encoding)
    except UnicodeEncodeError as exc:
        raise psycopg.DataError(str(exc)) from exc
    # Several commands cannot be prepared, so without parameters and unprepared.
    return connection.execute(query, prepare=False)
