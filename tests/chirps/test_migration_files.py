"""The migrations as files: what they say about themselves must be true of what they do.

What they do to a database is in test_tracks.py and test_matrix.py.
"""

import re

import pytest

from lab.chirps import migrate
from lab.goose import Direction, Migration, Phase, Reversible
from lab.goose.envsub import substitute
from tests.chirps.replay import own_files

EVERY_FILE = {f"base/{each.name}": each for each in migrate.collect("base")} | {
    f"{track}/{each.name}": each for track in migrate.tracks() for each in own_files(track)
}
NAMES = re.compile(r"\b(DROP|RENAME)\b", re.IGNORECASE)
OWN = {
    "backfill-careful": [6, 7],
    "backfill-careless": [6],
    "backfill-control": [6],
    "base": [],
    "lock-queue-careful": [6],
    "lock-queue-careless": [6],
    "lock-queue-control": [6],
    "notnull-careful": [6, 7, 8, 9],
    "notnull-control": [6],
    "notnull-dropped": [6],
    "notnull-naive": [6],
    "order-merged": [20260401090000, 20260402090000],
    "order-renumbered": [6, 7],
    "order-repaired": [20260401090000, 20260402090000, 20260403090000],
    "order-text-first": [20260402090000],
    "order-varchar-first": [20260401090000],
    "quota-careful": [6],
    "quota-careless": [6],
    "quota-control": [6],
    "rename-back": [6, 7],
    "rename-back-control": [6, 7],
    "rename-careful": [6, 7, 8, 9],
    "rename-careless": [6],
    "rename-control": [6],
    "rename-expand": [6],
    "unordered": [6],
}
# The same file in two tracks is the same step of the same change.
SAME = [
    ("rename-careless/00006_rename.sql", "rename-back/00006_rename.sql"),
    ("rename-careful/00006_expand.sql", "rename-expand/00006_expand.sql"),
    ("rename-careful/00006_expand.sql", "backfill-careful/00006_expand.sql"),
    ("lock-queue-careless/00006_edited.sql", "lock-queue-careful/00006_edited.sql"),
]


def statements(file: Migration, direction: Direction = Direction.UP) -> str:
    return "\n".join(each.text for each in file.script(direction).statements)


def test_every_track_begins_with_the_base_and_goes_on_from_there() -> None:
    assert {track: [each.version for each in own_files(track)] for track in migrate.tracks()} == OWN
    for track in OWN:
        versions = [each.version for each in migrate.collect(track)]
        assert versions == [1, 2, 3, 4, 5, *OWN[track]]


@pytest.mark.parametrize("file", EVERY_FILE.values(), ids=EVERY_FILE.keys())
def test_every_file_says_its_phase_and_whether_it_can_be_taken_back(file: Migration) -> None:
    assert file.notes.phase is not None
    assert file.notes.reversible is not None


@pytest.mark.parametrize("file", EVERY_FILE.values(), ids=EVERY_FILE.keys())
def test_what_drops_a_column_of_its_own_on_the_way_back_says_so(file: Migration) -> None:
    dropped = set(re.findall(r"DROP (?:TABLE|COLUMN(?: IF EXISTS)?) (\w+)", down_of(file)))

    # A column that only copies another one can go.
    assert bool(dropped - {"content"}) == (file.notes.reversible is Reversible.LOSES_DATA)


def down_of(file: Migration) -> str:
    return statements(file, Direction.DOWN)


@pytest.mark.parametrize("file", EVERY_FILE.values(), ids=EVERY_FILE.keys())
def test_what_cannot_be_taken_back_refuses_it(file: Migration) -> None:
    """goose takes an empty Down for a success, and forgets that the file was applied."""
    refuses = "RAISE EXCEPTION 'no way back" in down_of(file)

    assert refuses == (file.notes.reversible is Reversible.NO)


@pytest.mark.parametrize("file", EVERY_FILE.values(), ids=EVERY_FILE.keys())
def test_a_column_is_dropped_or_renamed_in_its_own_phase_only(file: Migration) -> None:
    text = re.sub(r"DROP (CONSTRAINT|DEFAULT|NOT NULL)", "", statements(file))

    assert bool(NAMES.search(text)) == (file.notes.phase in (Phase.CONTRACT, Phase.RENAME))


@pytest.mark.parametrize("file", EVERY_FILE.values(), ids=EVERY_FILE.keys())
def test_the_floor_that_is_announced_is_the_one_that_is_written(file: Migration) -> None:
    written = re.findall(
        r"UPDATE chirps_schema SET compat_floor = (\d), changed_by = (\d+)", statements(file)
    )

    expected = [] if file.notes.floor is None else [(str(file.notes.floor), str(file.version))]
    assert written == expected


@pytest.mark.parametrize(("one", "other"), SAME)
def test_a_step_that_is_in_two_tracks_is_the_same_in_both(one: str, other: str) -> None:
    for direction in Direction:
        assert statements(EVERY_FILE[one], direction) == statements(EVERY_FILE[other], direction)


def test_only_backfills_run_without_a_transaction() -> None:
    without = [name for name, each in EVERY_FILE.items() if not each.script().in_transaction]

    assert without == ["backfill-careful/00007_backfill.sql", "rename-careful/00007_backfill.sql"]


def test_only_one_file_reads_the_environment() -> None:
    reading = [name for name, each in EVERY_FILE.items() if "ENVSUB" in each.text]

    assert reading == ["unordered/00006_expand.sql"]
    assert substitute("${CHIRPS_SLOW_MIGRATION_S:-40}", {}) == "40"
