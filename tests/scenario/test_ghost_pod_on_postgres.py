"""What is asked of the data is true of a real database, and of what v2's worker really does."""

from collections.abc import Iterator
from pathlib import Path
from runpy import run_path
from typing import Any

import psycopg
import pytest

import lab
from lab import content, goose
from lab.chirps.releases import v2
from lab.postgres import roles
from tests.postgres import Database, fresh_database, postgres  # noqa: F401

TRACKS = Path(lab.__file__).parent / "chirps/migrations"
SCENARIO = run_path(str(content.folder("scenarios") / "ghost-pod-contract/scenario.py"))
BEFORE, AFTER = SCENARIO["v2_was_silent"].sql, SCENARIO["v2_is_silent"].sql
UNDEFINED_COLUMN = "42703"


@pytest.fixture
def expanded(fresh_database: Database) -> Database:  # noqa: F811
    """Return a database where the scenario begins."""
    with fresh_database.connect() as connection:
        goose.up(connection, goose.collect(TRACKS / "base"))
        connection.execute(
            "INSERT INTO users (email) SELECT n || '@example.org' FROM generate_series(1, 3) AS n"
        )
    migrate(fresh_database, to=SCENARIO["expanded"].schema)
    return fresh_database


def migrate(database: Database, to: int) -> None:
    with database.connect() as connection:
        files = goose.collect(TRACKS / "base", TRACKS / SCENARIO["TRACK"])
        goose.up(connection, files, to=to)


def work(database: Database, release: str = "v2") -> None:
    """Write what the worker of a pod writes."""
    text = f"row 1 by the worker of chirps/{release}/chirps-7d9f-abcde"
    with database.connect() as connection:
        connection.execute(v2.WORK["on"].encode(), {"text": text})


def ask(database: Database, sql: str) -> Any:
    with database.connect() as connection:
        row = connection.execute(sql.encode()).fetchone()
    assert row is not None
    return row[0]


def test_rows_right_before_the_contract_are_counted_and_others_are_not(expanded: Database) -> None:
    work(expanded)
    work(expanded)
    work(expanded, release="v3")
    migrate(expanded, to=SCENARIO["CONTRACT"])

    assert (ask(expanded, BEFORE), ask(expanded, AFTER)) == (2, 0)


def test_rows_of_long_before_are_no_sign_of_life(expanded: Database) -> None:
    work(expanded)
    with expanded.connect() as connection:
        connection.execute("UPDATE chirps SET created_at = now() - interval '1 minute'")
    migrate(expanded, to=SCENARIO["CONTRACT"])

    assert ask(expanded, BEFORE) == 0


def test_rows_after_the_contract_are_counted_too(expanded: Database) -> None:
    migrate(expanded, to=SCENARIO["CONTRACT"])
    with expanded.connect() as connection:
        connection.execute(
            "INSERT INTO chirps (author_id, content) SELECT min(id),"
            " 'row 9 by the worker of chirps/v2/x' FROM users"
        )

    assert (ask(expanded, BEFORE), ask(expanded, AFTER)) == (0, 1)


def test_after_the_contract_the_worker_gets_errors(expanded: Database) -> None:
    migrate(expanded, to=SCENARIO["CONTRACT"])

    with pytest.raises(psycopg.Error) as caught:
        work(expanded)

    assert caught.value.sqlstate == UNDEFINED_COLUMN


@pytest.fixture
def released(expanded: Database) -> Iterator[Database]:
    """Have a role for each release, and leave none: roles belong to the server."""
    names = [f"chirps_{release}" for release in SCENARIO["OLDER"]]
    with expanded.connect() as connection:
        for name in names:
            connection.execute(f"CREATE ROLE {name} LOGIN".encode())
        yield expanded
        for name in names:
            connection.execute(f"DROP ROLE {name}".encode())


def can_log_in(database: Database) -> set[bool]:
    with database.connect() as connection:
        found = connection.execute(
            "SELECT rolcanlogin FROM pg_roles WHERE rolname LIKE 'chirps\\_v%'"
        )
        return {row[0] for row in found}


def test_the_door_is_shut_for_every_older_release_and_opened_again(released: Database) -> None:
    with released.connect() as connection:
        connection.execute(SCENARIO["shut_the_door"].sql.encode())
    shut = can_log_in(released)
    with released.connect() as connection:
        connection.execute(SCENARIO["shut_the_door"].undo_sql.encode())

    assert (shut, can_log_in(released)) == ({False}, {True})


def test_every_release_that_is_shut_out_has_a_role() -> None:
    from lab.artifacts.serviceimages import RELEASES

    meant = {roles.sql_role(roles.release_role(name)) for name in RELEASES if name != "v3"}

    assert {f"chirps_{release}" for release in SCENARIO["OLDER"]} == meant
