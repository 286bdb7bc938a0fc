"""The race itself on a real database: what is predicted of it is true of goose's rules."""

import threading
from pathlib import Path
from runpy import run_path
from typing import Any

import pytest

import lab
from lab import content, goose
from tests.postgres import Database, fresh_database, postgres  # noqa: F401

TRACKS = Path(lab.__file__).parent / "chirps/migrations"
SCENARIO = run_path(str(content.folder("scenarios") / "boot-race-double-apply/scenario.py"))
RECORDED = SCENARIO["recorded_once"].sql
GRANTED = SCENARIO["granted_once"].sql
PODS = 2


@pytest.fixture
def seeded(fresh_database: Database) -> Database:  # noqa: F811
    """Return a database at schema 5, with users and the barrier."""
    with fresh_database.connect() as connection:
        goose.up(connection, goose.collect(TRACKS / "base"))
        connection.execute(
            "INSERT INTO users (email) SELECT n || '@example.org' FROM generate_series(1, 50) AS n"
        )
        connection.execute(SCENARIO["start_barrier"].sql)
    return fresh_database


def migrate_in_each(database: Database, track: str, lock: goose.Lock) -> None:
    """Let two migrate at once, as pods do that start together."""
    files = goose.collect(TRACKS / "base", TRACKS / track)
    options = goose.Options(lock=lock, lock_interval_s=0.05)
    failed: list[Exception] = []

    def migrate(pod: int) -> None:
        try:
            with database.connect() as connection:
                connection.execute(f"SET application_name = 'chirps-migrate/v1b/{pod}'".encode())
                goose.up(connection, files, options=options)
        except Exception as error:
            failed.append(error)

    pods = [threading.Thread(target=migrate, args=(pod,)) for pod in range(PODS)]
    for pod in pods:
        pod.start()
    for pod in pods:
        pod.join()
    assert not failed


def ask(database: Database, sql: str) -> Any:
    with database.connect() as connection:
        row = connection.execute(sql.encode()).fetchone()
    assert row is not None
    return row[0]


def test_without_a_lock_each_row_of_the_version_is_a_grant(seeded: Database) -> None:
    migrate_in_each(seeded, "quota-careless", goose.Lock.NONE)

    times = ask(seeded, RECORDED)
    assert times >= 2
    assert ask(seeded, GRANTED) == 10 * times


def test_a_statement_that_counts_grants_once_however_often_it_is_recorded(seeded: Database) -> None:
    migrate_in_each(seeded, "quota-careful", goose.Lock.NONE)

    assert ask(seeded, RECORDED) >= 2
    assert ask(seeded, GRANTED) == 10


@pytest.mark.parametrize("track", ["quota-careless", "quota-careful"])
def test_a_lock_that_everybody_takes_lets_one_apply_it(seeded: Database, track: str) -> None:
    migrate_in_each(seeded, track, goose.Lock.TRY)

    assert (ask(seeded, RECORDED), ask(seeded, GRANTED)) == (1, 10)


def test_the_barrier_can_be_taken_away_and_then_nobody_waits(seeded: Database) -> None:
    undo = SCENARIO["start_barrier"].undo_sql
    with seeded.connect() as connection:
        connection.execute(undo.encode())
        connection.execute(undo.encode())
        connection.execute("ALTER TABLE users ADD COLUMN more int")

    assert ask(seeded, "SELECT count(*) FROM pg_event_trigger") == 0


def test_the_question_for_the_quota_is_answered_where_there_is_no_such_column(
    seeded: Database,
) -> None:
    migrate_in_each(seeded, "quota-control", goose.Lock.NONE)

    assert ask(seeded, GRANTED) == 0
