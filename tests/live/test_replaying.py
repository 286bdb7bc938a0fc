"""A replay shows what was known then, and at its end what the report shows."""

from pathlib import Path

import pytest

from lab.errors import InvalidValue
from lab.live.replaying import Replay
from lab.live.tape import Tape
from lab.report import frame, series, stored, view
from tests.report import judged


class Time:
    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return judged.write_run(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def loaded(run: Path) -> stored.StoredRun:
    return stored.load(run)


def test_at_its_end_a_replay_shows_the_numbers_of_the_report(loaded, run: Path):
    now = Time()
    replay = Replay(loaded, speed=20, now=now)
    shown = replay.frame()
    for _ in range(40):
        now.s += 10
        shown = replay.frame() or shown

    report = view.load(run)
    assert shown["told"] == series.to_json(report)
    assert shown["variants"] == frame.frame(report)["variants"]
    assert shown["both"]


def test_nothing_of_the_future_is_shown(loaded):
    tape = Tape(loaded.variants[0])

    found = tape.at(15.0)

    assert found.outcome == "no verdict"
    assert found.traffic.failures == 0
    assert found.axis.last <= 16


def test_a_tape_can_be_wound_back(loaded):
    tape, fresh = Tape(loaded.variants[0]), Tape(loaded.variants[0])
    tape.at(80.0)

    assert tape.at(30.0) == fresh.at(30.0)


def test_between_two_looks_without_news_there_is_no_frame(loaded):
    replay = Replay(loaded, now=Time())
    replay.frame()
    replay.act("pause", None)
    replay.frame()

    assert replay.frame() is None


def test_a_step_goes_to_the_next_fault(loaded):
    replay = Replay(loaded, now=Time())
    replay.act("pause", None)
    replay.act("step", None)
    first = replay.frame()
    replay.act("step", None)
    second = replay.frame()

    assert [first["clock"]["second"], second["clock"]["second"]] == [20, 22]


def test_back_before_its_beginning_leads_to_the_variant_before(loaded):
    now = Time()
    replay = Replay(loaded, speed=20, now=now)
    while (replay.frame() or {}).get("active") != "careful":
        now.s += 1
    replay.act("pause", None)
    replay.act("seek", -5)
    replay.act("seek", -5)

    assert replay.frame()["active"] == "careless"


@pytest.mark.parametrize(
    ("what", "value"), [("speed", 7), ("seek", "far"), ("seek", True), ("drop", None)]
)
def test_what_a_replay_cannot_do_is_refused(loaded, what, value):
    with pytest.raises(InvalidValue, match="cannot be told to"):
        Replay(loaded, now=Time()).act(what, value)


def test_a_request_is_not_known_before_it_has_ended(tmp_path: Path):
    second = 1_000_000_000
    request = {
        "kind": "request", "seq": 0, "stream": "fresh", "endpoint": "page", "sent": None,
        "outcome": "read_timeout", "status": None, "sqlstate": None, "release": None, "pod": None,
        "conn": None, "reused": False,
    }  # fmt: skip
    late = [{**request, "t": 10 * second, "done": 13 * second}]
    tape = Tape(stored.StoredVariant("careless", tuple(late), None, ()))

    assert tape.at(2.0).traffic.requests == 0
    assert tape.at(3.5).traffic.requests == 1
