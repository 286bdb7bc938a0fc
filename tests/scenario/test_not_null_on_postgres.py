"""A default that was dropped, on a real database: what a pipeline with empty tables sees."""

from pathlib import Path
from runpy import run_path
from typing import Any

import pytest

import lab
from lab import content, goose
from tests.postgres import Database, fresh_database, postgres  # noqa: F401

TRACKS = Path(lab.__file__).parent / "chirps/migrations"
SCENARIO = run_path(str(content.folder("scenarios") / "not-null-default-dropped/scenario.py"))


@pytest.fixture
def seeded(fresh_database: Database) -> Database:  # noqa: F811
    """Return a database at schema 5 with a chirp in it."""
    up(fresh_database, "base")
    run(fresh_database, "INSERT INTO users (email) VALUES ('a@example.org')")
    run(fresh_database, "INSERT INTO chirps (author_id, body) VALUES (1, 'there')")
    return fresh_database


def up(database: Database, *tracks: str) -> int:
    with database.connect() as connection:
        goose.up(connection, goose.collect(*(TRACKS / track for track in tracks)))
        return goose.current_version(connection)


def run(database: Database, sql: str) -> None:
    """Run what is written for the service's database and the role of migrations, on this one."""
    with database.connect() as connection:
        user = connection.info.user
        own = sql.replace("IN DATABASE chirps", f"IN DATABASE {database.name}")
        connection.execute(own.replace("chirps_migrate", user).encode())


def value(database: Database, sql: str) -> Any:
    with database.connect() as connection:
        row = connection.execute(sql.encode()).fetchone()
    assert row is not None
    return row[0]


def test_a_pipeline_with_empty_tables_takes_what_the_real_tables_refuse(seeded: Database) -> None:
    run(seeded, SCENARIO["an_empty_test_database"].sql)

    assert up(seeded, "base", "notnull-naive") == 6

    run(seeded, SCENARIO["the_real_one"].sql)
    with pytest.raises(goose.MigrationFailed) as failure:
        up(seeded, "base", "notnull-naive")
    assert failure.value.sqlstate == SCENARIO["NOT_NULL_VIOLATION"]
    assert value(seeded, "SELECT max(version_id) FROM goose_db_version") == 5


def test_nothing_of_the_pipeline_is_left(seeded: Database) -> None:
    run(seeded, SCENARIO["an_empty_test_database"].sql)
    up(seeded, "base")
    for _ in range(2):
        run(seeded, SCENARIO["an_empty_test_database"].undo_sql)

    assert value(seeded, "SELECT count(*) FROM chirps") == 1
    assert value(seeded, "SELECT count(*) FROM pg_namespace WHERE nspname = 'pipeline'") == 0
    assert value(seeded, "SHOW search_path") == '"$user", public'


@pytest.mark.parametrize(
    ("track", "repair"),
    [("notnull-careful", ""), ("notnull-dropped", "ALTER COLUMN lang SET DEFAULT 'en'")],
    ids=["the default stays", "it is put back by hand"],
)
def test_a_default_in_the_database_lets_the_old_insert_through(
    seeded: Database, track: str, repair: str
) -> None:
    up(seeded, "base", track)
    if repair:
        run(seeded, f"ALTER TABLE chirps {repair}")

    run(seeded, "INSERT INTO chirps (author_id, body) VALUES (1, 'by v1')")

    assert value(seeded, SCENARIO["every_chirp_has_a_language"].sql) == 0
