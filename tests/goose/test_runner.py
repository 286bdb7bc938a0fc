"""Files against a real PostgreSQL: what is told, and what a failure leaves."""

from pathlib import Path
from typing import Any

import psycopg
import pytest

from lab import goose
from tests.postgres import Database, fresh_database, postgres  # noqa: F401 - fixtures

pytestmark = pytest.mark.e2e

Connection = psycopg.Connection[Any]


@pytest.fixture
def database(fresh_database: Database) -> Database:  # noqa: F811
    return fresh_database


@pytest.fixture
def connection(database: Database) -> Any:
    with database.connect() as connection:
        yield connection


def write(folder: Path, **bodies: str) -> tuple[goose.Migration, ...]:
    """`_1` is the first file; a body that begins with `--` brings its own annotations."""
    for name, body in bodies.items():
        text = body if body.startswith("--") else f"-- +goose Up\n{body}\n"
        (folder / f"{int(name[1:]):05}_m.sql").write_text(text)
    return goose.collect(folder)


def tables(connection: Connection) -> list[str]:
    query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
    return [name for (name,) in connection.execute(query)]


def test_what_was_applied_is_returned_and_told(connection: Connection, tmp_path: Path) -> None:
    migrations = write(
        tmp_path,
        _1="CREATE TABLE a ();\nCREATE TABLE b ();",
        _2="-- +goose NO TRANSACTION\n-- +goose Up\nVACUUM a;",
    )
    events: list[goose.Event] = []

    applied = goose.up(connection, migrations, on_event=events.append)

    assert [(a.version, a.name, a.statements, a.in_transaction) for a in applied] == [
        (1, "00001_m.sql", 2, True),
        (2, "00002_m.sql", 1, False),
    ]
    assert all(a.seconds > 0 for a in applied)
    assert [e["event"] for e in events] == [
        "table_created",
        "applying",
        "applied",
        "applying",
        "applied",
    ]
    assert goose.current_version(connection) == 2


def test_nothing_to_do_is_told_with_the_version(connection: Connection, tmp_path: Path) -> None:
    migrations = write(tmp_path, _1="CREATE TABLE a ();")
    goose.up(connection, migrations)
    events: list[goose.Event] = []

    assert goose.up(connection, migrations, on_event=events.append) == ()
    assert events == [{"event": "up_to_date", "version": 1}]


def test_a_failure_names_file_line_statement_and_sqlstate(
    connection: Connection, tmp_path: Path
) -> None:
    migrations = write(
        tmp_path,
        _1="CREATE TABLE a (id int);",
        _2="\nSELECT id FROM a;\n\nSELECT\n  nothing\nFROM a;",
    )
    events: list[goose.Event] = []

    with pytest.raises(goose.MigrationFailed) as caught:
        goose.up(connection, migrations, on_event=events.append)

    assert caught.value.message == (
        '00002_m.sql line 6, statement 2: column "nothing" does not exist (SQLSTATE 42703)'
    )
    assert events[-1] == {
        "event": "failed",
        "version": 2,
        "file": "00002_m.sql",
        "error": caught.value.message,
        "line": 6,
        "statement": 2,
        "sqlstate": "42703",
    }
    assert goose.current_version(connection) == 1


def test_a_file_fails_whole_or_not_at_all(connection: Connection, tmp_path: Path) -> None:
    migrations = write(tmp_path, _1="CREATE TABLE a ();\nSELECT 1/0;")

    with pytest.raises(goose.MigrationFailed, match="22012"):
        goose.up(connection, migrations)

    assert tables(connection) == ["goose_db_version"]
    assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def test_what_ran_before_the_failure_of_a_no_transaction_file_stays_without_a_row(
    connection: Connection, tmp_path: Path
) -> None:
    text = "-- +goose NO TRANSACTION\n-- +goose Up\nCREATE TABLE a ();\nSELECT 1/0;\n"
    migrations = write(tmp_path, _1=text)

    with pytest.raises(goose.MigrationFailed, match=r"line 4, statement 2: division by zero"):
        goose.up(connection, migrations)

    assert tables(connection) == ["a", "goose_db_version"]
    assert goose.current_version(connection) == 0


def test_a_failure_at_commit_has_no_statement(connection: Connection, tmp_path: Path) -> None:
    deferred = "REFERENCES a DEFERRABLE INITIALLY DEFERRED"
    migrations = write(
        tmp_path,
        _1=f"CREATE TABLE a (id int PRIMARY KEY);\nCREATE TABLE b (a int {deferred});",
        _2="INSERT INTO b VALUES (7);",
    )

    with pytest.raises(goose.MigrationFailed) as caught:
        goose.up(connection, migrations)

    assert caught.value.message.startswith("00002_m.sql: insert or update on table")
    assert (caught.value.statement, caught.value.sqlstate) == (None, "23503")


def test_a_bad_file_runs_nothing_of_itself_and_all_before_it(
    connection: Connection, tmp_path: Path
) -> None:
    migrations = write(tmp_path, _1="CREATE TABLE a ();", _2="CREATE TABLE b ();\nSELECT")

    with pytest.raises(goose.BadFile, match="line 3: the statement has no semicolon"):
        goose.up(connection, migrations)

    assert tables(connection) == ["a", "goose_db_version"]


def test_a_transaction_left_open_is_rolled_back_and_refused(
    connection: Connection, tmp_path: Path
) -> None:
    text = "-- +goose NO TRANSACTION\n-- +goose Up\nBEGIN;\nCREATE TABLE a ();\nCOMMIT;\n"
    migrations = write(tmp_path, _1=text)

    with pytest.raises(
        goose.MigrationFailed, match=r"line 3, statement 1: .* leaves a transaction"
    ):
        goose.up(connection, migrations)

    assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    assert tables(connection) == ["goose_db_version"]


def test_a_statement_with_a_zero_byte_is_not_sent(connection: Connection, tmp_path: Path) -> None:
    migrations = write(tmp_path, _1="CREATE TABLE a ();\0 nonsense;")

    with pytest.raises(goose.MigrationFailed, match="cannot hold a zero byte"):
        goose.up(connection, migrations)

    assert tables(connection) == ["goose_db_version"]


def test_text_that_the_connection_cannot_carry_is_not_sent(
    connection: Connection, tmp_path: Path
) -> None:
    migrations = write(tmp_path, _1="SELECT '\u8a9e';")
    connection.execute("SET client_encoding TO 'LATIN1'")

    with pytest.raises(goose.MigrationFailed, match=r"line 2, statement 1: .* encode character"):
        goose.up(connection, migrations)


def test_rows_from_the_client_are_refused(connection: Connection, tmp_path: Path) -> None:
    migrations = write(tmp_path, _1="CREATE TABLE a ();\nCOPY a FROM stdin;")

    with pytest.raises(goose.MigrationFailed, match="line 3, statement 2"):
        goose.up(connection, migrations)

    # It waits for rows that nobody has, and can do nothing else.
    assert connection.closed


def test_a_lost_connection_is_told_with_where_it_was(
    connection: Connection, tmp_path: Path
) -> None:
    migrations = write(tmp_path, _1="SELECT pg_terminate_backend(pg_backend_pid());")

    with pytest.raises(goose.MigrationFailed, match="line 2, statement 1: terminating connection"):
        goose.up(connection, migrations)

    assert connection.broken


def test_a_connection_without_autocommit_is_refused(database: Database, tmp_path: Path) -> None:
    migrations = write(tmp_path, _1="CREATE TABLE a ();")

    with (
        psycopg.connect(**database.connection) as connection,
        pytest.raises(goose.GooseError, match="autocommit"),
    ):
        goose.up(connection, migrations)


def test_a_role_without_rights_is_told_so(
    database: Database, connection: Connection, tmp_path: Path
) -> None:
    migrations = write(tmp_path, _1="CREATE TABLE a ();")
    goose.up(connection, migrations)
    role = f"reader_{database.name}"
    connection.execute(f"CREATE ROLE {role} LOGIN".encode())

    with database.connect(user=role) as other, pytest.raises(goose.BadVersionTable) as caught:
        goose.status(other, migrations)
    connection.execute(f"DROP ROLE {role}".encode())

    assert caught.value.message == (
        "table goose_db_version cannot be read: "
        "permission denied for table goose_db_version (SQLSTATE 42501)"
    )


def test_asking_changes_nothing(connection: Connection, tmp_path: Path) -> None:
    migrations = write(tmp_path, _1="CREATE TABLE a ();", _2="CREATE TABLE b ();")

    rows = goose.status(connection, migrations)

    assert rows == (
        goose.StatusRow(1, "00001_m.sql", None),
        goose.StatusRow(2, "00002_m.sql", None),
    )
    assert goose.current_version(connection) == 0
    assert tables(connection) == []


def test_status_says_since_when(connection: Connection, tmp_path: Path) -> None:
    migrations = write(tmp_path, _1="CREATE TABLE a ();", _2="CREATE TABLE b ();")
    goose.up(connection, migrations, to=1)

    first, second = goose.status(connection, migrations)

    written = connection.execute("SELECT max(tstamp) FROM goose_db_version").fetchone()
    assert written == (first.applied_at,)
    assert second.applied_at is None
