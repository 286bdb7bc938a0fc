"""goose's commands on a real PostgreSQL: what each applies, takes back and refuses."""

from pathlib import Path
from typing import Any

import pytest

from lab import goose
from lab.goose import Options, Reversible
from tests.goose.scratch import Connection, migration, tables, versions, write
from tests.postgres import Database, fresh_database, postgres  # noqa: F401 - fixtures


@pytest.fixture
def connection(fresh_database: Database) -> Any:  # noqa: F811
    with fresh_database.connect() as connection:
        yield connection


def table(name: str, *, reversible: str = "yes") -> str:
    head = f"-- +lab reversible={reversible}\n"
    return migration(f"CREATE TABLE {name} ();", f"DROP TABLE {name};", head=head)


THREE = {1: table("a"), 2: table("b"), 3: table("c")}


def test_up_by_one_applies_the_oldest_until_none_is_left(
    connection: Connection, tmp_path: Path
) -> None:
    files = write(tmp_path, {1: table("a"), 2: table("b")})

    assert goose.up_by_one(connection, files).version == 1
    assert tables(connection) == ["a"]
    assert goose.up_by_one(connection, files).version == 2
    with pytest.raises(goose.NoNextVersion, match=r"no file is pending: .* at version 2"):
        goose.up_by_one(connection, files)


def test_down_takes_back_what_was_applied_last_with_its_row(
    connection: Connection, tmp_path: Path
) -> None:
    files = write(tmp_path, THREE)
    goose.up(connection, files)
    events: list[goose.Event] = []

    back = goose.down(connection, files, on_event=events.append)

    assert (back.version, back.name, back.statements) == (3, "00003_m.sql", 1)
    assert [event["event"] for event in events] == ["reverting", "reverted"]
    assert tables(connection) == ["a", "b"]
    assert versions(connection) == [0, 1, 2]


def test_down_goes_by_the_order_of_application(connection: Connection, tmp_path: Path) -> None:
    files = write(tmp_path, {1: table("a"), 3: table("c")})
    goose.up(connection, files)
    files = write(tmp_path, {2: table("b")})
    goose.up(connection, files, options=Options(allow_missing=True))

    assert versions(connection) == [0, 1, 3, 2]
    assert goose.down(connection, files).version == 2
    assert goose.down(connection, files).version == 3


def test_down_to_ends_at_the_first_that_is_not_newer(
    connection: Connection, tmp_path: Path
) -> None:
    files = write(tmp_path, {1: table("a"), 3: table("c")})
    goose.up(connection, files)
    files = write(tmp_path, {2: table("b")})
    goose.up(connection, files, options=Options(allow_missing=True))

    # Version 2 was applied last, so 3 stays, as with goose.
    assert goose.down_to(connection, files, 2) == ()
    assert [each.version for each in goose.down_to(connection, files, 0)] == [2, 3, 1]
    assert tables(connection) == []


def test_down_to_tells_where_it_ended(connection: Connection, tmp_path: Path) -> None:
    files = write(tmp_path, THREE)
    goose.up(connection, files)
    events: list[goose.Event] = []

    goose.down_to(connection, files, 1, on_event=events.append)

    assert events[-1] == {"event": "up_to_date", "version": 1}
    assert tables(connection) == ["a"]


@pytest.mark.parametrize("command", [goose.down, goose.redo])
def test_nothing_applied_and_no_file_are_told_apart(
    connection: Connection, tmp_path: Path, command: Any
) -> None:
    files = write(tmp_path, THREE)
    with pytest.raises(goose.NoCurrentVersion, match="nothing was applied"):
        command(connection, files)
    # Also goose makes the table here.
    assert versions(connection) == [0]

    goose.up(connection, files)
    with pytest.raises(goose.NoCurrentVersion, match=r"version 3 was applied last, .* no file"):
        command(connection, files[:2])
    assert tables(connection) == ["a", "b", "c"]


def test_a_database_that_is_ahead_is_left_by_up_and_not_passed_by_down_to(
    connection: Connection, tmp_path: Path
) -> None:
    files = write(tmp_path, THREE)
    goose.up(connection, files)

    assert goose.up(connection, files[:2]) == ()
    with pytest.raises(goose.NoCurrentVersion):
        goose.down_to(connection, files[:1] + files[2:], 0)
    # What has a file before the gap is gone.
    assert versions(connection) == [0, 1, 2]


def test_redo_takes_back_and_applies_again(connection: Connection, tmp_path: Path) -> None:
    files = write(tmp_path, THREE)
    goose.up(connection, files)
    before = connection.execute("SELECT 'b'::regclass::oid, 'c'::regclass::oid").fetchone()

    back, again = goose.redo(connection, files)

    assert (back.version, again.version) == (3, 3)
    after = connection.execute("SELECT 'b'::regclass::oid, 'c'::regclass::oid").fetchone()
    assert before
    assert after
    assert (before[0] == after[0], before[1] == after[1]) == (True, False)


def test_reset_goes_by_version_and_passes_what_has_no_file(
    connection: Connection, tmp_path: Path
) -> None:
    files = write(tmp_path, THREE)
    goose.up(connection, files)

    back = goose.reset(connection, (files[0], files[2]))

    assert [each.version for each in back] == [3, 1]
    assert versions(connection) == [0, 2]


def test_reset_alone_makes_no_table(connection: Connection, tmp_path: Path) -> None:
    files = write(tmp_path, THREE)

    with pytest.raises(goose.BadVersionTable, match=r"there is no table .*42P01"):
        goose.reset(connection, files)


def test_a_down_without_statements_takes_only_the_row(
    connection: Connection, tmp_path: Path
) -> None:
    files = write(tmp_path, {1: "-- +goose Up\nCREATE TABLE a ();\n"})
    goose.up(connection, files)

    assert goose.down(connection, files).statements == 0
    assert tables(connection) == ["a"]
    assert versions(connection) == [0]


def test_a_down_that_fails_leaves_the_file_applied(connection: Connection, tmp_path: Path) -> None:
    files = write(tmp_path, {1: migration("CREATE TABLE a ();", "DROP TABLE a;\nSELECT 1/0;")})
    goose.up(connection, files)

    with pytest.raises(goose.MigrationFailed, match=r"line 5, statement 2: division by zero"):
        goose.down(connection, files)
    assert tables(connection) == ["a"]
    assert versions(connection) == [0, 1]


def test_all_rows_of_a_version_go(connection: Connection, tmp_path: Path) -> None:
    files = write(tmp_path, {1: migration("CREATE TABLE IF NOT EXISTS a ();", "DROP TABLE a;")})
    goose.up(connection, files)
    connection.execute("INSERT INTO goose_db_version (version_id, is_applied) VALUES (1, true)")

    goose.down(connection, files)

    assert versions(connection) == [0]


def test_only_what_says_so_is_taken_back_if_that_is_asked_for(
    connection: Connection, tmp_path: Path
) -> None:
    files = write(tmp_path, {1: table("a"), 2: table("b", reversible="no"), 3: table("c")})
    files = write(tmp_path, {4: migration("SELECT 1;"), 5: table("e")})
    goose.up(connection, files)
    careful = Options(taken_back=frozenset({Reversible.YES}))

    with pytest.raises(goose.NotReversible) as caught:
        goose.down_to(connection, files, 1, options=careful)

    assert caught.value.message == (
        "may not be taken back: 00004_m.sql (reversible=not said), 00002_m.sql (reversible=no)"
    )
    # It was seen before anything was done.
    assert versions(connection) == [0, 1, 2, 3, 4, 5]
    assert goose.down(connection, files, options=careful).version == 5


def test_files_that_came_late_are_applied_first_when_allowed(
    connection: Connection, tmp_path: Path
) -> None:
    goose.up(connection, write(tmp_path, {2: table("b"), 4: table("d")}))
    files = write(tmp_path, {1: table("a"), 3: table("c"), 5: table("e")})

    with pytest.raises(goose.OutOfOrder):
        goose.up(connection, files)
    done = goose.up(connection, files, options=Options(allow_missing=True))

    assert [each.version for each in done] == [1, 3, 5]


@pytest.mark.parametrize(
    ("name", "real"),
    [
        ("versions", "versions"),
        ("Versions", "versions"),
        ('"Ver ""sions%s{}"', '"Ver ""sions%s{}"'),
        ("other.versions", "other.versions"),
        ('"other"."V"', 'other."V"'),
    ],
)
def test_the_version_table_has_the_name_that_is_given(
    connection: Connection, tmp_path: Path, name: str, real: str
) -> None:
    connection.execute("CREATE SCHEMA other")
    files = write(tmp_path, {1: table("a"), 2: table("b")})
    options = Options(table=name)

    goose.up(connection, files, options=options)
    goose.down(connection, files, options=options)

    assert versions(connection, real) == [0, 1]
    assert goose.current_version(connection, name=name) == 1
    assert [row.applied_at is None for row in goose.status(connection, files, table=name)] == [
        False,
        True,
    ]
    assert goose.current_version(connection) == 0


@pytest.mark.parametrize(
    "name", ["", "a b", "x; DROP TABLE a", "1a", '"', '"a" b', "a.b.c.d", "a.", "t(id)", "a--"]
)
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(goose.BadOption, match="is no name of a table"):
        Options(table=name)


def test_two_tables_do_not_know_each_other(connection: Connection, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, other = write(tmp_path / "a", {1: table("a")}), write(tmp_path / "b", {1: table("b")})

    goose.up(connection, one, options=Options(table="one"))
    goose.up(connection, other, options=Options(table="other"))

    assert tables(connection) == ["a", "b", "one", "other"]


@pytest.mark.parametrize("name", ["lock_tries", "retries", "statement_timeout_s"])
@pytest.mark.parametrize("value", [-1, float("inf"), float("nan")])
def test_numbers_that_cannot_be_meant_are_refused(name: str, value: float) -> None:
    with pytest.raises(goose.BadOption, match=f"{name} cannot be"):
        Options(**{name: value})
