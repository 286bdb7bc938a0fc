"""The migrations as files: what they say about themselves must be true of what they do."""

import re

import pytest

from lab.chirps import migrate
from lab.goose import Direction, Migration

EVERY_FILE = {
    f"{track}/{each.name}": each for track in migrate.tracks() for each in migrate.collect(track)
}
FORBIDDEN_WHILE_EXPANDING = re.compile(r"\b(DROP|RENAME|NOT NULL)\b", re.IGNORECASE)


def versions(track: str) -> list[int]:
    return [each.version for each in migrate.collect(track)]


def test_every_track_begins_with_the_base_and_goes_on_from_there() -> None:
    assert versions("base") == [1, 2, 3, 4, 5]
    assert versions("rename-careless") == [1, 2, 3, 4, 5, 6]
    assert versions("rename-careful") == [1, 2, 3, 4, 5, 6, 7]
    assert versions("rename-control") == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("file", EVERY_FILE.values(), ids=EVERY_FILE.keys())
def test_every_file_says_its_phase_and_whether_it_can_be_taken_back(file: Migration) -> None:
    assert file.annotations["phase"] in ("base", "rename", "expand", "backfill", "control")
    assert file.annotations["reversible"] in ("yes", "loses-data")


@pytest.mark.parametrize("file", EVERY_FILE.values(), ids=EVERY_FILE.keys())
def test_what_loses_data_on_the_way_back_says_so(file: Migration) -> None:
    down = " ".join(each.text for each in file.script(Direction.DOWN).statements)

    # A column that only copies another one can go.
    loses = "DROP" in down and file.annotations["phase"] != "expand"
    assert loses == (file.annotations["reversible"] == "loses-data")


def test_expanding_leaves_everything_as_it_was() -> None:
    expand = EVERY_FILE["rename-careful/00006_expand.sql"]

    for statement in expand.script().statements:
        assert not FORBIDDEN_WHILE_EXPANDING.search(statement.text)


def test_only_the_backfill_runs_without_a_transaction() -> None:
    without = [name for name, each in EVERY_FILE.items() if not each.script().in_transaction]

    assert without == ["rename-careful/00007_backfill.sql"]
