"""What files lock and rewrite, measured, and held against PostgreSQL's documentation."""

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from lab import goose
from lab.goose.blockade import KEPT, SNAPSHOTS, SQL_MODES
from lab.goose.catalog import MODES
from lab.goose.measure import FileFacts, Method, StatementFacts, measure
from tests.goose.scratch import WITHOUT_TRANSACTION, Connection, migration, tables, versions, write
from tests.postgres import Database, fresh_database, postgres  # noqa: F401 - fixtures

SCHEMA = """
    CREATE TABLE users (id int PRIMARY KEY, name text, age int);
    CREATE TABLE chirps (id int PRIMARY KEY, author int, body text);
    CREATE INDEX chirps_of_author ON chirps (author);
    INSERT INTO users SELECT n, 'user', n FROM generate_series(1, 10) AS n;
    INSERT INTO chirps SELECT n, n, 'text' FROM generate_series(1, 10) AS n;
"""
BEGIN, END = "-- +goose StatementBegin", "-- +goose StatementEnd"


@pytest.fixture
def connection(fresh_database: Database) -> Any:  # noqa: F811
    with fresh_database.connect() as connection:
        connection.execute(SCHEMA)
        yield connection


def facts(connection: Connection, folder: Path, body: str, *, head: str = "") -> FileFacts:
    (only,) = write(folder, {1: migration(body, head=head)})
    return measure(connection, only)


def one(connection: Connection, folder: Path, body: str, *, head: str = "") -> StatementFacts:
    (statement,) = facts(connection, folder, body, head=head).statements
    return statement


def modes(statement: StatementFacts | FileFacts) -> dict[str, str]:
    return {lock.relation: lock.mode for lock in statement.locks}


KNOWN = [
    ("SELECT 1;", {}),
    ("SELECT count(*) FROM users WHERE age > 3;", {"users": "AccessShareLock"}),
    ("UPDATE users SET name = 'x' WHERE age = 3;", {"users": "RowExclusiveLock"}),
    ("ALTER TABLE users VALIDATE CONSTRAINT c;", {"users": "ShareUpdateExclusiveLock"}),
    ("CREATE INDEX i ON users (name);", {"users": "ShareLock"}),
    (
        "ALTER TABLE chirps ADD FOREIGN KEY (author) REFERENCES users NOT VALID;",
        {"users": "ShareRowExclusiveLock", "chirps": "ShareRowExclusiveLock"},
    ),
    ("LOCK TABLE users IN EXCLUSIVE MODE;", {"users": "ExclusiveLock"}),
    ("ALTER TABLE users ADD COLUMN x int;", {"users": "AccessExclusiveLock"}),
    ("ALTER TABLE users RENAME TO people;", {"users": "AccessExclusiveLock"}),
    ("DROP TABLE chirps;", {"chirps": "AccessExclusiveLock"}),
]


@pytest.mark.parametrize("head", ["", WITHOUT_TRANSACTION], ids=["held", "blockade"])
@pytest.mark.parametrize(("body", "expected"), KNOWN, ids=[body for body, _ in KNOWN])
def test_both_ways_find_what_the_documentation_says(
    connection: Connection, tmp_path: Path, body: str, expected: dict[str, str], head: str
) -> None:
    connection.execute("ALTER TABLE users ADD CONSTRAINT c CHECK (age > 0) NOT VALID")
    if head and body.startswith("LOCK"):
        body = f"{BEGIN}\nDO $$ BEGIN {body} END $$;\n{END}"

    found = one(connection, tmp_path, body, head=head)

    assert found.method is (Method.BLOCKADE if head else Method.HELD)
    assert found.certain
    found_of_tables = {lock.relation: lock.mode for lock in found.locks if lock.kind == "table"}
    assert found_of_tables == expected


def test_a_lock_that_is_held_already_is_listed_where_it_was_taken(
    connection: Connection, tmp_path: Path
) -> None:
    body = (
        "SELECT count(*) FROM users;\nALTER TABLE users ADD x int;\nSELECT count(*) FROM users;\n"
        "ALTER TABLE users ADD y int;"
    )

    found = facts(connection, tmp_path, body)

    assert [modes(each).get("users") for each in found.statements] == [
        "AccessShareLock",
        "AccessExclusiveLock",
        None,
        None,
    ]
    assert found.locks[0].mode == "AccessExclusiveLock"


class TestRewrites:
    @pytest.mark.parametrize(
        ("body", "rewritten", "scanned"),
        [
            ("ALTER TABLE users ADD x int NOT NULL DEFAULT 1;", (), ()),
            ("ALTER TABLE users ADD x float DEFAULT random();", ("users",), ("users",)),
            ("ALTER TABLE users ALTER age TYPE bigint;", ("users",), ("users",)),
            ("ALTER TABLE users ALTER name TYPE varchar;", (), ()),
            ("ALTER TABLE users ALTER name SET NOT NULL;", (), ("users",)),
            ("ALTER TABLE users ADD CHECK (age > 0) NOT VALID;", (), ()),
            ("CREATE INDEX i ON users (age);", (), ("users",)),
        ],
    )
    def test_what_moves_a_table_and_what_only_reads_it_whole(
        self,
        connection: Connection,
        tmp_path: Path,
        body: str,
        rewritten: tuple[str, ...],
        scanned: tuple[str, ...],
    ) -> None:
        found = one(connection, tmp_path, body)

        assert (found.rewritten, found.scanned) == (rewritten, scanned)
        assert found.rows == {}

    def test_an_empty_table_is_rewritten_as_well(
        self, connection: Connection, tmp_path: Path
    ) -> None:
        connection.execute("DELETE FROM users")

        found = one(connection, tmp_path, "ALTER TABLE users ALTER age TYPE bigint;")

        assert found.rewritten == ("users",)

    def test_truncate_is_told_apart(self, connection: Connection, tmp_path: Path) -> None:
        found = one(connection, tmp_path, "TRUNCATE users;")

        assert (found.truncated, found.rewritten) == (("users",), ())

    def test_vacuum_full_is_a_rewrite(self, connection: Connection, tmp_path: Path) -> None:
        found = one(connection, tmp_path, "VACUUM FULL users;", head=WITHOUT_TRANSACTION)

        assert found.rewritten == ("users",)
        assert modes(found) == {"users": "AccessExclusiveLock"}


class TestRows:
    BODIES = (
        "UPDATE users SET age = age + 1;",
        f"{BEGIN}\nDO $$ BEGIN UPDATE users SET age = 1; DELETE FROM chirps WHERE id < 4; END $$;"
        f"\n{END}",
        "INSERT INTO users SELECT n + 100 FROM generate_series(1, 3) AS n;",
    )

    @pytest.mark.parametrize("head", ["", WITHOUT_TRANSACTION])
    def test_rows_are_counted_by_table_and_statement(
        self, connection: Connection, tmp_path: Path, head: str
    ) -> None:
        found = facts(connection, tmp_path, "\n".join(self.BODIES), head=head)

        assert [each.rows for each in found.statements] == [
            {"users": 10},
            {"users": 10, "chirps": 3},
            {"users": 3},
        ]
        assert found.rows == 26


class TestWithoutTransaction:
    def test_an_index_built_concurrently_waits_for_writers_and_old_snapshots(
        self, connection: Connection, tmp_path: Path
    ) -> None:
        body = "CREATE INDEX CONCURRENTLY i ON users (age);"

        found = one(connection, tmp_path, body, head=WITHOUT_TRANSACTION)

        assert modes(found) == {"users": "ShareUpdateExclusiveLock"}
        assert found.waits_for == (SNAPSHOTS, "users")
        valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass"
        assert connection.execute(valid).fetchone() == (True,)

    @pytest.mark.parametrize(
        "body",
        [
            "DROP INDEX CONCURRENTLY chirps_of_author;",
            "REINDEX INDEX CONCURRENTLY chirps_of_author;",
            "REINDEX TABLE CONCURRENTLY chirps;",
        ],
    )
    def test_other_concurrent_commands_come_to_their_end(
        self, connection: Connection, tmp_path: Path, body: str
    ) -> None:
        found = one(connection, tmp_path, body, head=WITHOUT_TRANSACTION)

        assert modes(found) == {"chirps": "ShareUpdateExclusiveLock"}
        assert "chirps" in found.waits_for

    def test_a_lock_that_is_gone_before_the_statement_ends_is_not_missed(
        self, connection: Connection, tmp_path: Path
    ) -> None:
        """Each of these transactions takes microseconds."""
        body = (
            f"{BEGIN}\nDO $$ BEGIN\n"
            "UPDATE users SET age = 1 WHERE id = 1; COMMIT;\n"
            "ALTER TABLE chirps ADD x int; COMMIT;\n"
            "LOCK TABLE users IN SHARE MODE; COMMIT;\n"
            "PERFORM count(*) FROM chirps;\n"
            f"END $$;\n{END}"
        )

        found = one(connection, tmp_path, body, head=WITHOUT_TRANSACTION)

        assert modes(found) == {"chirps": "AccessExclusiveLock", "users": "ShareLock"}
        assert found.rows == {"users": 1}

    def test_a_statement_that_fails_is_told_as_a_run_tells_it(
        self, connection: Connection, tmp_path: Path
    ) -> None:
        body = "SELECT 1;\nUPDATE users SET age = 1/0;"

        with pytest.raises(goose.MigrationFailed, match=r"line 4, statement 2: division by zero"):
            facts(connection, tmp_path, body, head=WITHOUT_TRANSACTION)
        others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        while connection.execute(others).fetchone() != (1,):
            pass


def test_what_others_hold_ends_with_the_statement_timeout(
    connection: Connection,
    fresh_database: Database,  # noqa: F811
    tmp_path: Path,
) -> None:
    (only,) = write(tmp_path, {1: migration("DROP TABLE users;")})
    with fresh_database.connect() as other:
        other.execute("BEGIN; LOCK TABLE users IN ACCESS SHARE MODE")

        with pytest.raises(goose.StatementTimeout):
            measure(connection, only, options=goose.Options(statement_timeout_s=0.05))


def test_more_tables_than_can_be_closed_are_refused(connection: Connection, tmp_path: Path) -> None:
    for number in range(60):
        connection.execute(f"CREATE TABLE t{number} ()".encode())

    with pytest.raises(goose.GooseError, match="need a session each"):
        one(connection, tmp_path, "VACUUM users;", head=WITHOUT_TRANSACTION)


def test_a_file_that_ends_its_transaction_is_measured_all_the_same(
    connection: Connection, tmp_path: Path
) -> None:
    found = facts(
        connection,
        tmp_path,
        "UPDATE users SET age = 1;\nCOMMIT;\nALTER TABLE users ADD x int;\n",
    )

    first, commit, after = found.statements
    assert (first.method, first.rows) == (Method.HELD, {"users": 10})
    assert (commit.locks, commit.rows, commit.certain) == ((), {}, True)
    assert (after.method, modes(after)) == (Method.BLOCKADE, {"users": "AccessExclusiveLock"})


def test_a_block_that_ends_the_transaction_is_not_certain(
    connection: Connection, tmp_path: Path
) -> None:
    found = one(
        connection, tmp_path, f"{BEGIN}\nALTER TABLE users ADD x int; COMMIT; SELECT 1;\n{END}"
    )

    assert not found.certain


def test_afterwards_the_database_is_as_after_up(connection: Connection, tmp_path: Path) -> None:
    (only,) = write(tmp_path, {1: migration("CREATE TABLE a ();", "DROP TABLE a;")})
    connection.execute("SET lock_timeout TO '7s'")

    measure(connection, only)
    assert (tables(connection), versions(connection)) == (["a", "chirps", "users"], [0, 1])
    down = measure(connection, only, goose.Direction.DOWN)

    assert modes(down) == {"a": "AccessExclusiveLock"}
    assert (tables(connection), versions(connection)) == (["chirps", "users"], [0])
    assert connection.execute("SHOW lock_timeout").fetchone() == ("7s",)


def test_tables_of_other_schemas_are_named_with_it(connection: Connection, tmp_path: Path) -> None:
    connection.execute('CREATE SCHEMA other; CREATE TABLE other."T" ()')

    found = one(connection, tmp_path, 'ALTER TABLE other."T" ADD x int;', head=WITHOUT_TRANSACTION)

    assert modes(found) == {'other."T"': "AccessExclusiveLock"}


def test_facts_are_json(connection: Connection, tmp_path: Path) -> None:
    found = facts(connection, tmp_path, "ALTER TABLE users ALTER age TYPE bigint;")

    told = json.loads(json.dumps(found.as_json()))

    assert told["file"] == "00001_m.sql"
    assert told["rewritten"] == ["users"]
    assert told["statements"][0]["method"] == "held"
    assert {"relation": "users", "kind": "table", "mode": "AccessExclusiveLock"} in told["locks"]


def test_what_a_guard_keeps_stands_beside_the_request(
    connection: Connection,
    fresh_database: Database,  # noqa: F811
) -> None:
    """The table of conflicts, asked of PostgreSQL itself."""
    with fresh_database.connect() as other:
        for mode, sql_mode in zip(MODES, SQL_MODES, strict=True):
            free = 0
            for kept in SQL_MODES:
                other.execute(f"BEGIN; LOCK TABLE users IN {kept} MODE".encode())
                granted = try_lock(connection, sql_mode)
                other.execute("ROLLBACK")
                if not granted:
                    break
                free += 1
            assert KEPT[mode] == free, mode


def try_lock(connection: Connection, mode: str) -> bool:
    try:
        connection.execute(f"BEGIN; LOCK TABLE users IN {mode} MODE NOWAIT".encode())
    except psycopg.errors.LockNotAvailable:
        return False
    finally:
        connection.execute("ROLLBACK")
    return True
