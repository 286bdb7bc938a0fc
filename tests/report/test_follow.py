"""Looking on while a run is written: nothing is lost, and what is damaged is told."""

import json
import shutil
from pathlib import Path

import pytest

from lab.report import view
from lab.report.follow import Follower
from tests.report import judged, synthetic

LINES = [json.dumps(each).encode() + b"\n" for each in synthetic.history(synthetic.CARELESS).events]


@pytest.fixture
def history(tmp_path: Path) -> Path:
    path = tmp_path / "20261125T013000Z" / "careless" / "history.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    (tmp_path / "20261125T013000Z" / "run.json").write_text(json.dumps(judged.RUN))
    return path


def append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


def test_it_shows_what_was_written_since(history: Path):
    follower = Follower(history.parent.parent)
    append(history, b"".join(LINES[:2000]))
    follower.read()
    before = follower.view().variants[0].traffic.requests
    append(history, b"".join(LINES[2000:]))

    assert follower.read()
    assert follower.view().variants[0].traffic.requests > before > 0
    assert not follower.read()


def test_half_a_line_waits_for_its_other_half(history: Path):
    follower = Follower(history.parent.parent)
    append(history, LINES[0] + LINES[1][:10])
    follower.read()
    append(history, LINES[1][10:])
    follower.read()

    assert not [d for d in follower.view().variants[0].damage if "damaged" in d]


def test_damaged_lines_are_counted_and_the_rest_is_shown(history: Path):
    follower = Follower(history.parent.parent)
    append(history, b"".join(LINES[:100]) + b"no json\n" + b"".join(LINES[100:200]) + b"{}\n")
    follower.read()

    damage = follower.view().variants[0].damage

    assert damage[0] == "2 of 202 lines of the history are damaged, first line 101"
    assert follower.view().variants[0].traffic.requests > 0


def test_a_variant_that_is_played_once_more_begins_anew(history: Path):
    follower = Follower(history.parent.parent)
    append(history, b"".join(LINES))
    follower.read()
    aside = history.parent.parent / "_invalid" / "careless"
    aside.parent.mkdir()
    shutil.move(history.parent, aside)
    history.parent.mkdir()
    append(history, b"".join(LINES[:500]))

    follower.read()

    few = len([each for each in LINES[:500] if b'"request"' in each])
    assert follower.view().variants[0].traffic.requests == few


def test_a_run_that_is_removed_meanwhile_is_still_shown(history: Path):
    follower = Follower(history.parent.parent)
    append(history, b"".join(LINES[:500]))
    follower.read()
    before = follower.view()
    shutil.rmtree(history.parent.parent)

    assert not follower.read()
    assert follower.view() == before


def test_a_verdict_is_shown_as_soon_as_there_is_one(run_directory: Path, history: Path):
    follower = Follower(history.parent.parent)
    append(history, b"".join(LINES))
    follower.read()
    assert follower.view().variants[0].outcome == "no verdict"
    shutil.copy(run_directory / "careless" / "verdict.json", history.parent)

    assert follower.read()
    assert follower.view().variants[0].outcome == "reproduced"


def test_the_latest_variant_is_the_one_that_was_begun_last(run_directory: Path):
    follower = Follower(run_directory)
    follower.read()

    assert follower.latest in ("careless", "careful")
    assert follower.view() == view.load(run_directory)
