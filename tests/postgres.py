"""Fixtures: one PostgreSQL server for all tests of a run, and a fresh database for each.

A test module takes them by `from tests.postgres import fresh_database, postgres  # noqa: F401`.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from lab.postgres import Server

SETTINGS = {
    "track_commit_timestamp": "on",
    # A test's data need not survive a power failure.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
}
NUMBERS = count(1)
RUNNING = pytest.StashKey[Server]()


@dataclass(frozen=True, slots=True)
class Database:
    """One database of `server`; nobody else uses it."""

    name: str
    server: Server

    @property
    def connection(self) -> dict[str, Any]:
        """libpq's parameters over the socket: host, port, user, dbname."""
        return self.server.connection(self.name)

    @property
    def variables(self) -> dict[str, str]:
        """The same for a child process, over TCP."""
        given = self.server.connection_tcp(self.name)
        return {
            "PGHOST": str(given["host"]),
            "PGPORT": str(given["port"]),
            "PGUSER": str(given["user"]),
            "PGDATABASE": self.name,
            "PGPASSWORD": str(given["password"]),
        }

    def connect(self, *, user: str = "postgres") -> psycopg.Connection[Any]:
        """Return a new connection with autocommit."""
        return psycopg.connect(**self.server.connection(self.name, user=user), autocommit=True)


@pytest.fixture(scope="session")
def postgres(pytestconfig: pytest.Config) -> Server:
    """Start it once for the whole run, however many modules take this fixture."""
    server = pytestconfig.stash.get(RUNNING, None)
    if server is None:
        server = pytestconfig.stash[RUNNING] = start_server(pytestconfig)
    return server


def start_server(config: pytest.Config) -> Server:
    directory = Path(tempfile.mkdtemp(prefix="lab tests ", dir="/tmp"))
    config.add_cleanup(lambda: shutil.rmtree(directory))
    directory.chmod(0o755)  # the server's user is another one when root runs the tests
    server = Server(directory / "data", settings=SETTINGS)
    server.start()
    config.add_cleanup(server.stop)
    return server


@pytest.fixture
def fresh_database(postgres: Server) -> Iterator[Database]:
    with new_database(postgres) as database:
        yield database


@contextmanager
def new_database(server: Server, *, template: str = "template0") -> Iterator[Database]:
    """Make a database from `template`, and remove it with all who are connected."""
    name = f"test_{next(NUMBERS)}"
    with psycopg.connect(**server.connection(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield Database(name, server)
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
