"""A run that is killed: nothing counts as applied that was not, and running again shows it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lab import goose
from lab.goose import CrashPoint, Options, Step, When
from tests.goose.scratch import WITHOUT_TRANSACTION, Connection, migration, tables, versions, write
from tests.postgres import Database, fresh_database, postgres  # noqa: F401 - fixtures

# A child process for each moment: too long for the fast tier.
in_a_child = pytest.mark.e2e

NAME = "killed run"
PROGRAM = """
import json, sys
from pathlib import Path
import psycopg
from lab import goose
where, folder, point, command = json.loads(sys.argv[1])
options = goose.Options(crash=point and goose.CrashPoint.parse(point))
with psycopg.connect(**where, autocommit=True) as connection:
    print("ready", flush=True)
    getattr(goose, command)(connection, goose.collect(Path(folder)), options=options)
"""
THREE = "CREATE TABLE a ();\nCREATE TABLE b ();\nCREATE TABLE c ();"
IF_NOT_THERE = THREE.replace("TABLE", "TABLE IF NOT EXISTS")
STATEMENTS = [f"{n}:{when}" for n in (1, 2, 3) for when in When]
ROW = [f"row:{when}" for when in When]
COMMIT = [f"commit:{when}" for when in When]


@pytest.fixture
def database(fresh_database: Database) -> Database:  # noqa: F811
    return fresh_database


@pytest.fixture
def connection(database: Database) -> Any:
    with database.connect() as connection:
        yield connection


def start(
    database: Database, folder: Path, point: str | None, command: str = "up"
) -> subprocess.Popen[str]:
    where = {**database.connection, "application_name": NAME}
    given = json.dumps([where, str(folder), point, command], default=str)
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, given], stdout=subprocess.PIPE, text=True
    )


def kill_at(
    database: Database, connection: Connection, folder: Path, point: str, command: str = "up"
) -> None:
    with start(database, folder, point, command) as run:
        run.communicate()
    assert run.returncode == -signal.SIGKILL
    wait_until_gone(connection)


def wait_until_gone(connection: Connection) -> None:
    """The server finds out by itself that nobody is there any more."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
    while connection.execute(query, (NAME,)).fetchone() != (0,):
        time.sleep(0.01)


@pytest.mark.parametrize("place", [*STATEMENTS, *ROW, *COMMIT])
@in_a_child
def test_a_killed_transaction_leaves_all_or_nothing(
    database: Database, connection: Connection, tmp_path: Path, place: str
) -> None:
    files = write(tmp_path, {1: migration(THREE)})

    kill_at(database, connection, tmp_path, f"1:{place}")

    committed = place == "commit:after"
    assert tables(connection) == (["a", "b", "c"] if committed else [])
    assert versions(connection) == ([0, 1] if committed else [0])
    assert len(goose.up(connection, files)) == (not committed)
    assert (tables(connection), versions(connection)) == (["a", "b", "c"], [0, 1])


@pytest.mark.parametrize("place", [*STATEMENTS, *ROW])
@in_a_child
def test_a_killed_file_without_a_transaction_leaves_what_ran_and_no_row(
    database: Database, connection: Connection, tmp_path: Path, place: str
) -> None:
    files = write(tmp_path, {1: migration(THREE, head=WITHOUT_TRANSACTION)})

    kill_at(database, connection, tmp_path, f"1:{place}")

    at, when = place.split(":")
    ran = 3 if at == "row" else int(at) - (when == "before")
    recorded = place == "row:after"
    assert tables(connection) == ["a", "b", "c"][:ran]
    assert versions(connection) == ([0, 1] if recorded else [0])
    if ran and not recorded:
        # As with goose: nobody knows where it was, so it begins anew and finds its own work.
        with pytest.raises(goose.MigrationFailed, match=r"line 3, statement 1: .*42P07"):
            goose.up(connection, files)
    else:
        assert len(goose.up(connection, files)) == (not recorded)


@pytest.mark.parametrize("place", [*STATEMENTS, *ROW])
@in_a_child
def test_what_can_run_twice_comes_to_its_end_after_a_kill(
    database: Database, connection: Connection, tmp_path: Path, place: str
) -> None:
    files = write(tmp_path, {1: migration(IF_NOT_THERE, head=WITHOUT_TRANSACTION)})

    kill_at(database, connection, tmp_path, f"1:{place}")
    goose.up(connection, files)

    assert (tables(connection), versions(connection)) == (["a", "b", "c"], [0, 1])


@pytest.mark.parametrize("place", ["1:after", "row:before", "row:after", "commit:after"])
@in_a_child
def test_a_killed_down_leaves_all_or_nothing(
    database: Database, connection: Connection, tmp_path: Path, place: str
) -> None:
    files = write(tmp_path, {1: migration("CREATE TABLE a ();", "DROP TABLE a;")})
    goose.up(connection, files)

    kill_at(database, connection, tmp_path, f"1:{place}", "down")

    committed = place == "commit:after"
    assert tables(connection) == ([] if committed else ["a"])
    assert versions(connection) == ([0] if committed else [0, 1])


@in_a_child
def test_the_server_ends_a_statement_whose_client_was_killed(
    database: Database, connection: Connection, tmp_path: Path
) -> None:
    """It is applied then, and nobody has recorded it."""
    body = "-- +goose StatementBegin\nDO $$ BEGIN PERFORM pg_sleep(0.3); CREATE TABLE a (); END $$;"
    files = write(
        tmp_path,
        {1: migration(f"{body}\n-- +goose StatementEnd", head=WITHOUT_TRANSACTION)},
    )
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"

    with start(database, tmp_path, None) as run:
        while connection.execute(sleeping).fetchone() != (1,):
            assert run.poll() is None
        os.kill(run.pid, signal.SIGKILL)
    wait_until_gone(connection)

    assert tables(connection) == ["a"]
    assert versions(connection) == [0]
    with pytest.raises(goose.MigrationFailed, match="42P07"):
        goose.up(connection, files)


class TestCrashPoint:
    @pytest.mark.parametrize(
        ("text", "point"),
        [
            ("6:2:after", CrashPoint(6, 2, When.AFTER)),
            ("20260401120000:1:before", CrashPoint(20260401120000, 1, When.BEFORE)),
            ("1:row:before", CrashPoint(1, Step.ROW, When.BEFORE)),
            ("1:commit:after", CrashPoint(1, Step.COMMIT, When.AFTER)),
        ],
    )
    def test_it_is_read_as_it_is_written(self, text: str, point: CrashPoint) -> None:
        assert CrashPoint.parse(text) == point
        assert str(point) == text

    @pytest.mark.parametrize(
        "text",
        ["", "6", "6:2", "6:0:after", "0:1:after", "6:2:During", "6:2:after:", "6:end:after"],
    )
    def test_what_is_not_written_so_is_refused(self, text: str) -> None:
        with pytest.raises(goose.BadOption, match="is not VERSION:PLACE:WHEN, as in 6:2:after"):
            CrashPoint.parse(text)

    @pytest.mark.parametrize(
        ("point", "reason"),
        [
            ("1:4:before", "crash point 1:4:before: 00001_m.sql has 3 statements"),
            ("1:commit:before", "crash point 1:commit:before: 00001_m.sql has no transaction"),
        ],
    )
    def test_a_place_that_is_never_reached_is_refused_before_anything_runs(
        self, connection: Connection, tmp_path: Path, point: str, reason: str
    ) -> None:
        files = write(tmp_path, {1: migration(THREE, head=WITHOUT_TRANSACTION)})

        with pytest.raises(goose.BadOption, match=reason):
            goose.up(connection, files, options=Options(crash=CrashPoint.parse(point)))
        assert tables(connection) == []

    def test_other_versions_run_by(self, connection: Connection, tmp_path: Path) -> None:
        files = write(tmp_path, {1: migration(THREE), 2: migration("SELECT 1;")})
        deaths: list[int] = []
        options = Options(
            crash=CrashPoint(2, 1, When.BEFORE), die=lambda: deaths.append(len(tables(connection)))
        )

        goose.up(connection, files, options=options)

        assert deaths == [3]


@in_a_child
def test_the_first_process_of_a_container_dies_as_well() -> None:
    alone = ["unshare", "--pid", "--fork", "--kill-child"]
    program = "from lab.goose.crash import kill_self; kill_self(); print('goes on')"

    done = subprocess.run([*alone, sys.executable, "-c", program], capture_output=True, check=False)

    assert (done.returncode, done.stdout) == (128 + signal.SIGKILL, b"")
