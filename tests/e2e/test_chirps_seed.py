"""The seed: always the same, and only into an empty database of schema 5."""

from typing import Any

import psycopg
import pytest

from lab.chirps.cli import main
from lab.chirps.passwords import is_password
from lab.postgres import Server
from tests.chirps.real import migrate_up
from tests.postgres import Database, fresh_database, new_database, postgres  # noqa: F401 - fixtures

pytestmark = pytest.mark.e2e

SIZE = ("--users", "100", "--chirps", "4000")
FINGERPRINT = """SELECT md5(string_agg(t::text, '|' ORDER BY id)) FROM {table} AS t"""

HOT = """SELECT author_id, count(*), max(id) FROM chirps
WHERE author_id <= 5 GROUP BY author_id ORDER BY author_id"""
CONSTRAINTS = """SELECT conname, convalidated, pg_get_constraintdef(oid) FROM pg_constraint
WHERE conrelid::regclass::text IN ('users', 'chirps', 'refresh_tokens') ORDER BY conname"""
SILENT = """SELECT count(*) FROM users
WHERE NOT EXISTS (SELECT FROM chirps WHERE author_id = users.id)"""


def seed(database: Database, *arguments: str) -> int:
    return main(["seed", *arguments], database.variables)


def rows(database: Database, statement: str) -> list[Any]:
    with database.connect() as connection:
        return connection.execute(statement).fetchall()


def fingerprint(database: Database) -> list[Any]:
    return [rows(database, FINGERPRINT.format(table=table)) for table in ("users", "chirps")]


@pytest.fixture
def database(fresh_database: Database) -> Database:  # noqa: F811 - a fixture
    migrate_up(fresh_database)
    return fresh_database


def test_two_databases_are_seeded_alike(database: Database, postgres: Server) -> None:  # noqa: F811
    with new_database(postgres) as other:
        migrate_up(other)
        for each in (database, other):
            assert seed(each, *SIZE) == 0

        assert fingerprint(database) == fingerprint(other)


def test_there_is_as_much_as_was_asked_for_and_nobody_is_left_out(database: Database) -> None:
    seed(database, *SIZE)

    assert rows(database, "SELECT count(*), min(id), max(id) FROM users") == [(100, 1, 100)]
    assert rows(database, "SELECT count(*), min(id), max(id) FROM chirps") == [(4000, 1, 4000)]
    assert rows(database, SILENT) == [(0,)]


def test_hot_authors_have_a_bounded_share_spread_over_all_chirps(database: Database) -> None:
    seed(database, *SIZE)

    hot = rows(database, HOT)
    assert [row[:2] for row in hot] == [(author, 80) for author in range(1, 6)]
    assert min(row[2] for row in hot) > 3900


def test_what_comes_after_the_seed_gets_the_next_number(database: Database) -> None:
    seed(database, *SIZE)

    new = "INSERT INTO chirps (author_id, body) VALUES (1, 'next') RETURNING id"
    assert rows(database, new) == [(4001,)]
    assert rows(database, "INSERT INTO users (email) VALUES ('next') RETURNING id") == [(101,)]


def test_seeded_users_can_open_a_session(database: Database) -> None:
    seed(database, *SIZE)

    ((password,),) = rows(database, "SELECT password FROM users WHERE email = 'user7@example.com'")
    assert is_password("lab", password)


def test_every_seeded_chirp_could_have_been_posted(database: Database) -> None:
    seed(database, *SIZE)

    assert rows(database, "SELECT count(*) FROM chirps WHERE length(body) > 140") == [(0,)]


def test_a_filled_database_is_left_alone(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    seed(database, *SIZE)
    before = fingerprint(database)

    assert seed(database, *SIZE, "--if-empty") == 0
    assert seed(database, *SIZE) == 1
    assert "has users or chirps already" in capsys.readouterr().err
    assert fingerprint(database) == before


@pytest.mark.parametrize("chirps", ["0", "1", "9", "11"])
def test_few_chirps_are_seeded_too(database: Database, chirps: str) -> None:
    assert seed(database, "--users", "6", "--chirps", chirps) == 0

    assert rows(database, "SELECT count(*) FROM chirps") == [(int(chirps),)]
    new = "INSERT INTO chirps (author_id, body) VALUES (1, 'next') RETURNING id"
    assert rows(database, new) == [(int(chirps) + 1,)]


def test_the_seed_leaves_the_tables_as_it_found_them(database: Database) -> None:
    before = rows(database, CONSTRAINTS)

    seed(database, *SIZE)

    assert len(before) > 5
    assert rows(database, CONSTRAINTS) == before
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        rows(database, "INSERT INTO chirps (author_id, body) VALUES (101, 'nobody') RETURNING id")


def test_another_schema_is_refused(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    migrate_up(database, "rename-control")

    assert seed(database, *SIZE) == 1
    assert "the schema has version 6" in capsys.readouterr().err
    assert rows(database, "SELECT count(*) FROM users") == [(0,)]


def test_a_seed_that_fails_leaves_nothing(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    with database.connect() as connection:
        connection.execute("ALTER TABLE chirps ADD CHECK (id < 3000)")

    assert seed(database, *SIZE) == 1
    assert capsys.readouterr().err.startswith("Error: the database refused: ")
    assert rows(database, "SELECT count(*) FROM users") == [(0,)]
