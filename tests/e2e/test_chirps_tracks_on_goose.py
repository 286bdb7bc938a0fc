"""The files of every track on the real goose: it makes of them what `chirps migrate` makes."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.chirps import migrate
from lab.postgres import Server
from tests.chirps.replay import BASE, Connection, fill, no_slow_migration, snapshot, up, value
from tests.goose.program import build_goose
from tests.postgres import Database, new_database, postgres  # noqa: F401 - a fixture

# The first of them may have to build goose.
pytestmark = [pytest.mark.e2e, pytest.mark.rotating("migrations"), pytest.mark.timeout(600)]

TRACKS = [track for track in migrate.tracks() if track != "base"]
RECORDED = "SELECT array_agg(version_id ORDER BY id) FROM goose_db_version"


@pytest.fixture(scope="module")
def program() -> Path:
    return build_goose()


@pytest.fixture(scope="module")
def start(postgres: Server) -> Iterator[Database]:  # noqa: F811 - a fixture
    """Schema 5 with rows."""
    with new_database(postgres) as database:
        with database.connect() as connection:
            up(connection, "base")
            fill(connection)
        yield database


@pytest.fixture
def database(start: Database) -> Iterator[Database]:
    with new_database(start.server, template=start.name) as database:
        yield database


def goose(program: Path, folder: Path, track: str, database: Database, *command: str) -> int:
    """Run the real one on the files of a track; return its exit code."""
    for file in migrate.collect(track):
        shutil.copy(file.source, folder)
    url = "host={host} port={port} user={user} dbname={dbname}".format(**database.connection)
    call = [str(program), "-env", "none", "-dir", str(folder), "postgres", url, *command]
    with no_slow_migration():
        return subprocess.run(call, capture_output=True, check=False, timeout=60).returncode


def empty_if_need_be(connection: Connection, track: str) -> None:
    """This one has no way from a table with rows."""
    if track == "notnull-naive":
        connection.execute("DELETE FROM chirps")


@pytest.mark.parametrize("track", TRACKS)
def test_goose_makes_the_same_schema(
    track: str, program: Path, tmp_path: Path, database: Database, start: Database
) -> None:
    with (
        new_database(start.server, template=start.name) as other,
        database.connect() as theirs,
        other.connect() as ours,
    ):
        empty_if_need_be(theirs, track)
        empty_if_need_be(ours, track)

        assert goose(program, tmp_path, track, database, "up") == 0
        up(ours, track)

        assert snapshot(theirs) == snapshot(ours)
        assert value(theirs, RECORDED) == value(ours, RECORDED)


@pytest.mark.parametrize("track", [track for track in TRACKS if track != "rename-careful"])
def test_goose_takes_back_what_can_be_taken_back(
    track: str, program: Path, tmp_path: Path, database: Database
) -> None:
    with database.connect() as connection:
        empty_if_need_be(connection, track)
        before = snapshot(connection)
        up(connection, track)

        assert goose(program, tmp_path, track, database, "down-to", str(BASE)) == 0

        assert snapshot(connection) == before


def test_goose_does_not_take_back_a_contract(
    program: Path, tmp_path: Path, database: Database
) -> None:
    up(database, "rename-careful")

    assert goose(program, tmp_path, "rename-careful", database, "down") != 0

    with database.connect() as connection:
        assert value(connection, "SELECT max(version_id) FROM goose_db_version") == 9


def test_goose_fails_where_there_are_rows_without_a_value(
    program: Path, tmp_path: Path, database: Database
) -> None:
    assert goose(program, tmp_path, "notnull-naive", database, "up") != 0
