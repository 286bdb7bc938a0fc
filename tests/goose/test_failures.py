"""What can go wrong beside the SQL: time, room, the connection."""

from pathlib import Path
from typing import Any

import pytest

from lab import goose
from lab.goose import Options
from tests.goose.scratch import WITHOUT_TRANSACTION, Connection, migration, tables, versions, write
from tests.postgres import Database, fresh_database, postgres  # noqa: F401 - fixtures

SETTINGS = "SELECT current_setting('lock_timeout'), current_setting('statement_timeout')"


@pytest.fixture
def database(fresh_database: Database) -> Database:  # noqa: F811
    return fresh_database


@pytest.fixture
def connection(database: Database) -> Any:
    with database.connect() as connection:
        yield connection


@pytest.mark.parametrize("head", ["", WITHOUT_TRANSACTION])
def test_a_statement_that_hangs_is_ended_and_named(
    connection: Connection, tmp_path: Path, head: str
) -> None:
    files = write(tmp_path, {1: migration("SELECT 1;\nSELECT pg_sleep(600);", head=head)})

    with pytest.raises(goose.StatementTimeout, match=r"statement 2: .*57014"):
        goose.up(connection, files, options=Options(statement_timeout_s=0.05))
    assert versions(connection) == [0]


def test_a_statement_that_somebody_cancels_took_not_too_long(
    connection: Connection, tmp_path: Path
) -> None:
    files = write(tmp_path, {1: migration("SELECT pg_cancel_backend(pg_backend_pid());")})

    with pytest.raises(goose.MigrationFailed, match="57014") as caught:
        goose.up(connection, files, options=Options(statement_timeout_s=600))
    assert type(caught.value) is goose.MigrationFailed


def test_limits_hold_for_the_files_and_are_put_back(connection: Connection, tmp_path: Path) -> None:
    body = f"CREATE TABLE seen AS {SETTINGS.replace('),', ') AS lock,')};"
    connection.execute("SET lock_timeout TO '7s'")
    files = write(tmp_path, {1: migration(body)})

    goose.up(connection, files, options=Options(lock_timeout_s=1.5, statement_timeout_s=0))

    assert connection.execute("SELECT * FROM seen").fetchone() == ("1500ms", "0")
    assert connection.execute(SETTINGS).fetchone() == ("7s", "0")


def test_limits_are_put_back_after_a_failure(connection: Connection, tmp_path: Path) -> None:
    files = write(tmp_path, {1: migration("SELECT 1/0;")})

    with pytest.raises(goose.MigrationFailed):
        goose.up(connection, files, options=Options(lock_timeout_s=1, statement_timeout_s=1))
    assert connection.execute(SETTINGS).fetchone() == ("0", "0")


def test_a_limit_of_the_options_goes_before_that_of_the_file(
    connection: Connection, tmp_path: Path
) -> None:
    body = "CREATE TABLE seen AS SELECT current_setting('lock_timeout');"
    files = write(tmp_path, {1: migration(body, head="-- +lab lock-timeout=2\n")})

    goose.up(connection, files, options=Options(lock_timeout_s=3))

    assert connection.execute("SELECT * FROM seen").fetchone() == ("3s",)


def test_a_limit_that_rounds_to_nothing_is_still_one(
    connection: Connection, tmp_path: Path
) -> None:
    body = "CREATE TABLE seen AS SELECT current_setting('lock_timeout');"
    files = write(tmp_path, {1: migration(body)})

    goose.up(connection, files, options=Options(lock_timeout_s=0.0001))

    assert connection.execute("SELECT * FROM seen").fetchone() == ("1ms",)


@pytest.mark.parametrize("head", ["", WITHOUT_TRANSACTION])
def test_no_room_is_told_and_nothing_is_recorded(
    database: Database, tmp_path: Path, head: str
) -> None:
    """What is limited here is room for temporary files, which any role may limit for itself."""
    body = "CREATE TABLE a ();\nCREATE TABLE b AS SELECT generate_series(1, 300000) ORDER BY 1;"
    files = write(tmp_path, {1: migration(body, head=head), 2: migration("SELECT 1;")})

    with database.connect() as connection:
        connection.execute("SET work_mem TO '64kB'; SET temp_file_limit TO '64kB'")
        with pytest.raises(
            goose.MigrationFailed, match=r"statement 2: temporary file size .*53400"
        ):
            goose.up(connection, files)
        assert (tables(connection), versions(connection)) == (["a"] if head else [], [0])


@pytest.mark.parametrize("head", ["", WITHOUT_TRANSACTION])
def test_a_connection_that_is_cut_leaves_no_row(
    database: Database, connection: Connection, tmp_path: Path, head: str
) -> None:
    body = "CREATE TABLE a ();\nSELECT pg_terminate_backend(pg_backend_pid());"
    files = write(tmp_path, {1: migration(body, head=head)})

    with pytest.raises(goose.ConnectionLost, match="statement 2: terminating connection"):
        goose.up(connection, files, options=Options(lock_timeout_s=1, retries=3))

    with database.connect() as other:
        assert tables(other) == (["a"] if head else [])
        assert versions(other) == [0]


def test_a_connection_that_is_lost_in_commit_may_have_applied_the_file(
    database: Database, connection: Connection, tmp_path: Path
) -> None:
    """Only the version table can say, and here it was not."""
    body = (
        "CREATE TABLE a (id int);\n-- +goose StatementBegin\n"
        "CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$\n"
        "BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;\n"
        "-- +goose StatementEnd\n"
        "CREATE CONSTRAINT TRIGGER cut AFTER INSERT ON a DEFERRABLE INITIALLY DEFERRED\n"
        "FOR EACH ROW EXECUTE FUNCTION cut();\nINSERT INTO a VALUES (1);"
    )
    files = write(tmp_path, {1: migration(body)})

    with pytest.raises(goose.ConnectionLost) as caught:
        goose.up(connection, files)

    assert caught.value.statement is None
    with database.connect() as other:
        assert versions(other) == [0]
