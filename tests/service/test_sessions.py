"""Sessions that are held through psql: a real psql and a real database, without a pod between."""

import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from lab.errors import ServiceNotReady
from lab.service import database as database_module
from lab.service import sessions as module
from lab.service.sessions import Sessions, Wish
from tests.postgres import Database, fresh_database, postgres  # noqa: F401

NAME = "analyst/report"
# Stands for kubectl: what is behind "--" is run here.
EXEC = '#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done; shift; exec "$@"\n'


class Told:
    """Remembers what became of sessions."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    def __call__(self, what: str, message: str) -> None:
        self.said.append((what, message))


@pytest.fixture
def database(
    fresh_database: Database,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Database:
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(EXEC)
    kubectl.chmod(kubectl.stat().st_mode | stat.S_IXUSR)
    given = fresh_database.connection
    environment = {
        "PATH": f"{fresh_database.server.binaries / 'bin'}:/usr/bin:/bin",
        "PGHOST": given["host"],
        "PGPORT": str(given["port"]),
    }
    for each in (module, database_module):
        monkeypatch.setattr(each, "kubectl_program", lambda _lab: ([str(kubectl)], environment))
    monkeypatch.setattr(module, "DATABASE", fresh_database.name)
    with fresh_database.connect() as connection:
        connection.execute("CREATE TABLE chirps (id int)")
    return fresh_database


@pytest.fixture
def sessions(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sessions]:
    run = database_module.Database.run

    def run_there(self: Any, sql: str) -> Any:
        return run(self, sql, database=database.name)

    monkeypatch.setattr(database_module.Database, "run", run_there)
    held = Sessions(None)  # type: ignore[arg-type]
    yield held
    held.close()


def state_of(database: Database) -> Any:
    sql = "SELECT state FROM pg_stat_activity WHERE application_name = %s"
    with database.connect() as connection:
        row = connection.execute(sql, [NAME]).fetchone()
        return row[0] if row else None


def comes_true(condition: Callable[[], object]) -> bool:
    deadline = time.monotonic() + 20
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize(("idle", "state"), [(False, "active"), (True, "idle in transaction")])
def test_a_held_session_keeps_the_lock_that_its_statement_took(
    database: Database, sessions: Sessions, *, idle: bool, state: str
):
    told = Told()

    sessions.hold(Wish(NAME, "LOCK TABLE chirps IN ACCESS SHARE MODE", None, idle), told)

    assert comes_true(lambda: state_of(database) == state)
    with database.connect() as other, pytest.raises(psycopg.errors.LockNotAvailable):
        other.execute("BEGIN; LOCK TABLE chirps IN ACCESS EXCLUSIVE MODE NOWAIT")

    sessions.end(NAME)

    assert state_of(database) is None
    assert told.said == []


@pytest.mark.parametrize("idle", [False, True])
def test_a_session_with_an_end_rolls_back_and_says_so(
    database: Database, sessions: Sessions, *, idle: bool
):
    told = Told()

    sessions.hold(Wish(NAME, "INSERT INTO chirps VALUES (1)", 0.1, idle), told)

    assert comes_true(lambda: told.said)
    assert told.said == [("ended", "rolled back")]
    with database.connect() as connection:
        assert connection.execute("SELECT count(*) FROM chirps").fetchone() == (0,)


@pytest.mark.parametrize("idle", [False, True])
def test_a_statement_that_is_refused_is_told_with_its_code(sessions: Sessions, *, idle: bool):
    told = Told()

    sessions.hold(Wish(NAME, "SELECT nothing FROM chirps", None, idle), told)

    assert comes_true(lambda: told.said)
    ((what, message),) = told.said
    assert what == "failed"
    assert "42703" in message


def test_a_session_that_somebody_ended_has_not_failed(database: Database, sessions: Sessions):
    told = Told()
    sessions.hold(Wish(NAME, "SELECT 1", None, False), told)
    assert comes_true(lambda: state_of(database) == "active")

    with database.connect() as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s",
            [NAME],
        )

    assert comes_true(lambda: told.said)
    assert told.said[0][0] == "ended"


def test_ending_a_session_that_is_not_there_is_fine(sessions: Sessions):
    sessions.end("analyst/nobody")


def test_a_name_belongs_to_one_session(database: Database, sessions: Sessions):
    sessions.hold(Wish(NAME, "SELECT 1", None, True), Told())
    assert comes_true(lambda: state_of(database) is not None)

    with pytest.raises(ServiceNotReady, match="already"):
        sessions.hold(Wish(NAME, "SELECT 1", None, True), Told())
