"""Every release on every schema: what works, and do files and modules say the same?"""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from lab import goose
from lab.chirps import migrate, releases
from lab.goose import Migration
from lab.postgres import Server
from tests.chirps.matrix import OK, Measured, measure
from tests.chirps.replay import BASE, Connection, fill, own_files, up, value
from tests.postgres import Database, new_database, postgres  # noqa: F401 - a fixture

# reading/writing, or one word for both: ok, the SQLSTATE, or null where the text of a chirp is
# read as nothing. The chirp that is read was written by v1 on schema 5, and backfilled since.
TABLE = """
track                version         v1        v2     v2_naive    v2_lang   v3
base                 5               ok        42703  42703       ok/42703  42703
rename-careless      6               42703     42703  ok          42703     ok
rename-back          6               42703     42703  ok          42703     ok
rename-back          7               ok        42703  42703       ok/42703  42703
rename-careful       6               ok        ok     null/23502  ok/42703  null/23502
rename-careful       7               ok        ok     ok/23502    ok/42703  ok/23502
rename-careful       8               ok        ok     ok          ok/42703  ok
rename-careful       9               42703     42703  ok          42703     ok
rename-expand        6               ok        ok     null/23502  ok/42703  null/23502
unordered            6               ok        ok     null/23502  ok/42703  null/23502
backfill-careless    6               ok        ok     ok/23502    ok/42703  ok/23502
backfill-careful     6               ok        ok     null/23502  ok/42703  null/23502
backfill-careful     7               ok        ok     ok/23502    ok/42703  ok/23502
notnull-naive        6               ok/23502  42703  42703       ok        42703
notnull-dropped      6               ok/23502  42703  42703       ok        42703
notnull-careful      6               ok        42703  42703       ok        42703
notnull-careful      7               ok        42703  42703       ok        42703
notnull-careful      8               ok        42703  42703       ok        42703
notnull-careful      9               ok        42703  42703       ok        42703
"""
HEAD, *ROWS = [line.split() for line in TABLE.strip().splitlines()]
CODES = HEAD[2:]
EXPECTED = {(row[0], int(row[1])): dict(zip(CODES, row[2:], strict=True)) for row in ROWS}
# A track that is not in the table leaves the table of chirps to all as it is in the base, also
# where a column is added.
LIKE_BASE = EXPECTED["base", BASE]

# A number of a schema means something to a release only in the tracks it was written for.
WRITTEN_FOR = {
    "v2": {"rename-careful", "rename-expand", "unordered", "backfill-careless", "backfill-careful"},
    "v2_naive": {"rename-careless", "rename-back"},
    "v2_lang": {"notnull-naive", "notnull-dropped", "notnull-careful"},
    "v3": {"rename-careful"},
}
LANGUAGE = """INSERT INTO chirps (id, author_id, body, lang)
SELECT n, 1, 'x', 'en' FROM generate_series(1, 99) n"""


@pytest.fixture(scope="module")
def start(postgres: Server) -> Iterator[Database]:  # noqa: F811 - a fixture
    """Schema 5 with users and chirps."""
    with new_database(postgres) as database:
        with database.connect() as connection:
            up(connection, "base")
            fill(connection)
        yield database


Results = Mapping[int, tuple[Measured, int]]


@pytest.fixture(scope="module")
def results(start: Database) -> Any:
    """What was measured, and the floor, by version; each track is measured once."""
    known: dict[str, Results] = {}

    def of(track: str) -> Results:
        if track not in known:
            known[track] = measure_track(start, track)
        return known[track]

    return of


def measure_track(start: Database, track: str) -> Results:
    found = {}
    with new_database(start.server, template=start.name) as database:
        for version in [each.version for each in own_files(track)] or [BASE]:
            with database.connect() as connection:
                go_to(connection, track, version)
                floor = value(connection, "SELECT compat_floor FROM chirps_schema")
            found[version] = asyncio.run(measure(database.connection, CODES)), floor
    return found


def go_to(connection: Connection, track: str, version: int) -> None:
    """This one track has no way from a table with rows."""
    if track == "notnull-naive":
        connection.execute("DELETE FROM chirps")
    up(connection, track, version)
    if track == "notnull-naive":
        connection.execute(LANGUAGE)


def files_up_to(track: str, version: int) -> list[Migration]:
    return [each for each in migrate.collect(track) if each.version <= version]


def declared_floor(track: str, version: int) -> int:
    """Return the floor that the files announce; before any does, it is the base's 1."""
    files = files_up_to(track, version)
    return goose.declared_floor(files, {each.version for each in files}) or 1


def broken(track: str, version: int) -> set[str]:
    names: set[str] = set()
    for file in files_up_to(track, version):
        names |= {each.release.replace("-", "_") for each in file.notes.breaks}
        names -= {release.replace("-", "_") for release in file.notes.repairs}
    return names


def is_declared(code: str, track: str, version: int) -> bool:
    """Say whether modules and files promise that this works."""
    release = releases.load(code)
    return (
        version >= release.REQUIRED_SCHEMA
        and declared_floor(track, version) <= release.NUMBER
        and code not in broken(track, version)
    )


def works(code: str, measured: Measured, promised: set[str]) -> bool:
    """Alone, and beside those of whom it is promised: each reads what the other writes."""
    pairs = {(code, other) for other in promised} | {(other, code) for other in promised}
    alone = measured.found[code].word == OK
    return alone and all(measured.reads.get(pair) == OK for pair in pairs)


def test_the_table_names_every_release_and_only_tracks_there_are() -> None:
    assert sorted(CODES) == list(releases.available())
    assert {track for track, _ in EXPECTED} <= set(migrate.tracks())


@pytest.mark.parametrize("track", migrate.tracks())
def test_what_a_release_can_do_on_a_schema_is_in_the_table(track: str, results: Any) -> None:
    for version, (measured, _) in results(track).items():
        words = {code: found.word for code, found in measured.found.items()}

        assert words == EXPECTED.get((track, version), LIKE_BASE), version


@pytest.mark.parametrize("track", migrate.tracks())
def test_files_and_modules_promise_what_is_true_and_nothing_less(track: str, results: Any) -> None:
    ours = [code for code in CODES if code == "v1" or track in WRITTEN_FOR[code]]
    for version, (measured, _) in results(track).items():
        promised = {code for code in ours if is_declared(code, track, version)}

        assert {code for code in ours if works(code, measured, promised)} == promised, version


@pytest.mark.parametrize("track", migrate.tracks())
def test_the_floor_in_the_database_is_the_one_that_files_announce(track: str, results: Any) -> None:
    floors = {version: floor for version, (_, floor) in results(track).items()}

    assert floors == {version: declared_floor(track, version) for version in floors}


def test_the_oldest_release_is_out_when_text_is_written_that_it_cannot_see(results: Any) -> None:
    measured, floor = results("rename-careful")[8]

    assert floor == 2
    assert measured.found["v1"].word == OK
    assert measured.reads["v1", "v3"] == measured.reads["v3", "v1"] == "null"
