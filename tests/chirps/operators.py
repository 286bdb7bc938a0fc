"""An operator at a real database: commands, sessions that hold something, sessions that wait."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from lab.chirps.cli import main
from lab.postgres import Server
from tests.postgres import Database

Connection = psycopg.Connection[Any]
PATIENCE_S = 30
WAITS = "SELECT count(*) FROM pg_locks WHERE pid = %s AND NOT granted"


@dataclass(frozen=True, slots=True)
class Operator:
    """Runs `chirps migrate ...` in process as `user`, and keeps what it says."""

    database: Database
    capsys: pytest.CaptureFixture[str]
    user: str = "postgres"

    def __call__(self, *arguments: str, **environ: str) -> tuple[int, str, str]:
        """Return exit code, stdout, stderr."""
        own = self.database.server.connection(self.database.name, user=self.user)
        variables = {
            "PGHOST": str(own["host"]),
            "PGPORT": str(own["port"]),
            "PGUSER": self.user,
            "PGDATABASE": self.database.name,
            "CHIRPS_POD": "pod-1",
            "CHIRPS_RELEASE": "v2",
        }
        code = main(["migrate", *arguments], {**variables, **environ})
        said = self.capsys.readouterr()
        return code, said.out, said.err

    def ask(self, *arguments: str, **environ: str) -> tuple[int, dict[str, Any]]:
        """Return exit code and JSON."""
        code, out, _ = self(*arguments, "--json", **environ)
        return code, json.loads(out)


@contextmanager
def session(database: Database, name: str, *, user: str = "postgres") -> Iterator[Connection]:
    """Give a connection of that application name; somebody may end it meanwhile."""
    parameters = database.server.connection(database.name, user=user)
    connection = psycopg.connect(**parameters, application_name=name, autocommit=True)
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def waiting(database: Database, connection: Connection, statement: str) -> Iterator[int]:
    """Let a statement wait for a lock, and give the process that does; it is cancelled at the end.

    How it ended is of no interest.
    """
    pid = connection.info.backend_pid

    def execute() -> None:
        with suppress(psycopg.Error):
            connection.execute(statement.encode())

    thread = threading.Thread(target=execute)
    thread.start()
    with database.connect() as other:
        try:
            wait_for(lambda: one(other, WAITS, pid) > 0 or not thread.is_alive())
            yield pid
        finally:
            other.execute("SELECT pg_cancel_backend(%s)", (pid,))
            thread.join(PATIENCE_S)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def one(connection: Connection, statement: str, *parameters: Any) -> Any:
    row = connection.execute(statement.encode(), parameters or None).fetchone()
    return None if row is None else row[0]


def value(database: Database, statement: str) -> Any:
    with database.connect() as connection:
        return one(connection, statement)


@contextmanager
def roles(server: Server, **attributes: str) -> Iterator[None]:
    """Make roles, as `chirps_v1="LOGIN"`, and remove them; they belong to the whole server."""
    with psycopg.connect(**server.connection(), autocommit=True) as connection:
        for name, attribute in attributes.items():
            connection.execute(f"CREATE ROLE {name} {attribute}".encode())
        try:
            yield
        finally:
            for name in attributes:
                connection.execute(f"DROP ROLE {name}".encode())
