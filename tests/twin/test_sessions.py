"""Somebody else's sessions on a real database: what they hold, and how they end."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from lab.errors import TwinFailed
from lab.postgres import backends
from lab.twin.sessions import Sessions, Wish
from tests.postgres import Database, fresh_database, postgres  # noqa: F401

NAME = "analyst/report"


class Told:
    """Remembers what became of sessions."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    def __call__(self, what: str, message: str) -> None:
        self.said.append((what, message))


@pytest.fixture
def database(fresh_database: Database) -> Database:  # noqa: F811
    with fresh_database.connect() as connection:
        connection.execute("CREATE TABLE chirps (id int)")
    return fresh_database


@pytest.fixture
def sessions(database: Database) -> Iterator[Sessions]:
    def connect(application: str) -> "psycopg.Connection[Any]":
        return psycopg.connect(**database.connection, application_name=application, autocommit=True)

    def end(application: str) -> None:
        ask(database, backends.terminate_named(application))

    held = Sessions(connect, end)
    yield held
    held.close()


def ask(database: Database, sql: str) -> Any:
    with database.connect() as connection:
        row = connection.execute(sql.encode()).fetchone()
        return row[0] if row else None


def state_of(database: Database, application: str = NAME) -> Any:
    return ask(
        database,
        f"SELECT state FROM pg_stat_activity WHERE application_name = '{application}'",
    )


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
    sessions.hold(Wish(NAME, "LOCK TABLE chirps IN ACCESS SHARE MODE", None, idle), Told())

    assert comes_true(lambda: state_of(database) == state)
    with database.connect() as other, pytest.raises(psycopg.errors.LockNotAvailable):
        other.execute("BEGIN; LOCK TABLE chirps IN ACCESS EXCLUSIVE MODE NOWAIT")

    sessions.end(NAME)

    with database.connect() as other:
        other.execute("BEGIN; LOCK TABLE chirps IN ACCESS EXCLUSIVE MODE NOWAIT")
    assert state_of(database) is None


def test_a_session_with_an_end_rolls_back_and_says_so(database: Database, sessions: Sessions):
    told = Told()

    sessions.hold(Wish(NAME, "INSERT INTO chirps VALUES (1)", 0.1, False), told)

    assert comes_true(lambda: told.said)
    assert told.said == [("ended", "rolled back")]
    assert ask(database, "SELECT count(*) FROM chirps") == 0


def test_a_statement_that_is_refused_is_told_with_its_code(sessions: Sessions):
    told = Told()

    sessions.hold(Wish(NAME, "SELECT nothing FROM chirps", None, False), told)

    assert comes_true(lambda: told.said)
    ((what, message),) = told.said
    assert what == "failed"
    assert "42703" in message


def test_a_session_that_somebody_ended_has_not_failed(database: Database, sessions: Sessions):
    told = Told()
    sessions.hold(Wish(NAME, "SELECT 1", None, False), told)
    assert comes_true(lambda: state_of(database) == "active")

    assert ask(database, backends.terminate("analyst/")) == 1

    assert comes_true(lambda: told.said)
    ((what, message),) = told.said
    assert what == "ended"
    assert "57P01" in message


def test_ending_a_session_that_is_not_there_is_fine(sessions: Sessions):
    sessions.end("analyst/nobody")


def test_a_name_belongs_to_one_session(database: Database, sessions: Sessions):
    sessions.hold(Wish(NAME, "SELECT 1", None, True), Told())
    assert comes_true(lambda: state_of(database) is not None)

    with pytest.raises(TwinFailed, match="already"):
        sessions.hold(Wish(NAME, "SELECT 1", None, True), Told())


def test_terminating_spares_the_observer_and_who_asks(database: Database):
    given = database.connection
    with (
        psycopg.connect(**given, application_name="observer") as observer,
        psycopg.connect(**given, application_name="chirps/v1/a") as pod,
    ):
        assert ask(database, backends.terminate("")) == 1
        observer.execute("SELECT 1")
        with pytest.raises(psycopg.OperationalError):
            pod.execute("SELECT 1")
