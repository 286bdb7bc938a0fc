"""The floor of releases: what files say of it, and what they do to it."""

from pathlib import Path
from typing import Any

import pytest

from lab import goose
from lab.goose import Options, declared_floor, read_floor
from tests.goose.scratch import WITHOUT_TRANSACTION, Connection, migration, tables, versions, write
from tests.postgres import Database, fresh_database, postgres  # noqa: F401 - fixtures

BASE = "CREATE TABLE chirps_schema (compat_floor int);\nINSERT INTO chirps_schema VALUES (1);"


@pytest.fixture
def connection(fresh_database: Database) -> Any:  # noqa: F811
    with fresh_database.connect() as connection:
        yield connection


def raising(said: int, to: int, *, head: str = "") -> str:
    body = f"CREATE TABLE a ();\nUPDATE chirps_schema SET compat_floor = {to};"
    down = "UPDATE chirps_schema SET compat_floor = 1;\nDROP TABLE a;"
    return migration(body, down, head=f"-- +lab floor={said}\n{head}")


def test_without_the_table_there_is_no_floor(connection: Connection) -> None:
    assert read_floor(connection) is None
    assert tables(connection) == []


def test_a_file_that_does_what_it_says_is_applied(connection: Connection, tmp_path: Path) -> None:
    files = write(tmp_path, {1: migration(BASE), 2: raising(3, 3)})

    goose.up(connection, files)

    assert read_floor(connection) == 3
    assert goose.down(connection, files).version == 2
    assert read_floor(connection) == 1


def test_a_file_that_does_not_is_not_applied(connection: Connection, tmp_path: Path) -> None:
    files = write(tmp_path, {1: migration(BASE), 2: raising(3, 2)})

    with pytest.raises(goose.FloorDiffers) as caught:
        goose.up(connection, files)

    assert caught.value.message == "00002_m.sql: it says floor=3, but the floor is 2 when it ran"
    assert tables(connection) == ["chirps_schema"]
    assert read_floor(connection) == 1


def test_without_a_transaction_it_is_not_recorded(connection: Connection, tmp_path: Path) -> None:
    files = write(tmp_path, {1: migration(BASE), 2: raising(3, 2, head=WITHOUT_TRANSACTION)})

    with pytest.raises(goose.FloorDiffers):
        goose.up(connection, files)
    assert versions(connection) == [0, 1]


def test_a_floor_that_is_said_needs_its_table(connection: Connection, tmp_path: Path) -> None:
    files = write(tmp_path, {1: migration("SELECT 1;", head="-- +lab floor=1\n")})

    with pytest.raises(goose.FloorDiffers, match="table chirps_schema is not there"):
        goose.up(connection, files)


def test_the_table_can_have_another_name(connection: Connection, tmp_path: Path) -> None:
    body = BASE.replace("chirps_schema", "floors")
    files = write(tmp_path, {1: migration(body, head="-- +lab floor=1\n")})

    goose.up(connection, files, options=Options(floor_table="floors"))

    assert read_floor(connection, "floors") == 1


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("CREATE TABLE chirps_schema (compat_floor int)", "must hold one floor, not none"),
        (
            "CREATE TABLE chirps_schema AS SELECT 1 AS compat_floor FROM generate_series(1, 3)",
            "must hold one floor, not 2",
        ),
        ("CREATE TABLE chirps_schema (x int)", r"cannot be read: .*42703"),
    ],
)
def test_a_table_that_holds_no_floor_is_told(connection: Connection, sql: str, reason: str) -> None:
    connection.execute(sql.encode())

    with pytest.raises(goose.BadFloor, match=reason):
        read_floor(connection)


def test_the_newest_of_the_applied_files_that_name_a_floor_declares_it(tmp_path: Path) -> None:
    files = write(tmp_path, {1: raising(1, 1), 2: raising(3, 3), 3: migration("SELECT 1;")})

    assert declared_floor(files, {1, 2, 3}) == 3
    assert declared_floor(files, {1, 3}) == 1
    assert declared_floor(files, {3}) is None
