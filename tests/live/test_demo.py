"""A demonstration: predict, watch, compare; careless, careful, and both."""

import json
from pathlib import Path

import pytest

from lab import content
from lab.errors import InvalidValue
from lab.live.demo import Demo
from lab.live.players import Look, Replayed
from lab.report import stored
from lab.scenario import loader
from tests.report import judged, synthetic


class Time:
    s = 0.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return judged.write_run(tmp_path_factory.mktemp("runs"))


class Room:
    """A demonstration of a stored run, on a time of its own."""

    def __init__(self, run: Path, *, every: bool = False) -> None:
        self.now, self.kept, self.shown = Time(), [], None
        loaded = loader.load(content.folder("scenarios"), "half-migrated-rename")
        player = Replayed(stored.load(run), self.now, every=every)
        self.demo = Demo(loaded, ("careless", "careful"), player, keep=self.kept.append)

    def look(self):
        self.shown = self.demo.frame() or self.shown
        return self.shown

    def pass_(self, seconds: float):
        self.now.s += seconds
        return self.look()

    def step(self):
        self.demo.act("step", None)
        return self.look()

    def play_to_the_result(self):
        """From before a variant's question to its result."""
        self.step()
        self.pass_(60)
        self.step()
        self.pass_(500)
        return self.step()


def test_it_begins_with_what_is_known_at_3am(run: Path):
    room = Room(run)

    shown = room.demo.frame()

    assert shown["scene"]["title"] == "What if part of a rolling update already did the migration?"
    assert "03:12" in shown["scene"]["text"][0]
    assert not {"\\", "`"} & set(shown["scene"]["text"][0])
    assert shown["variants"] == []


def test_nothing_is_done_before_the_room_has_guessed(run: Path):
    room = Room(run)
    shown = room.step()
    assert shown["scene"]["asks"][0].startswith("In the worst second")

    shown = room.pass_(60)

    assert shown["at"][2] == "migrate"
    assert shown["variants"][0]["tiles"][1]["value"] == "0 %"
    assert not shown["both"]


SOURCE = "48 requests/s x share of v1"
CLAIM = "failures are v1 x 42703"


@pytest.fixture(scope="module")
def announced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose histories begin with what lab itself predicted."""
    directory = judged.write_run(tmp_path_factory.mktemp("announced"))
    plan = {
        "kind": "plan",
        "t": synthetic.START - synthetic.SECOND,
        "role": "careless",
        "steps": [{"name": "migrate", "when": "at once", "does": "migrate to 6"}],
        "claims": [CLAIM],
        "forecast": {"source": SOURCE, "points": [[0, 777], [30, 0]]},
    }
    for history in directory.glob("*/history.jsonl"):
        first, rest = history.read_text().split("\n", 1)
        history.write_text("\n".join([first, json.dumps(plan), rest]))
    return directory


def test_while_the_room_is_asked_it_is_not_told_the_answer(announced: Path):
    room = Room(announced)
    room.step()

    asked = room.pass_(60)

    assert asked["at"][2] == "migrate"
    assert asked["variants"][0]["plan"][0]["name"] == "migrate"
    for answer in (SOURCE, CLAIM, "777"):
        assert answer not in json.dumps(asked)
        assert answer not in (room.demo.report() or "")


def test_the_answer_is_shown_before_the_first_fault(announced: Path):
    room = Room(announced)
    room.step()
    room.pass_(60)

    shown = room.step()

    assert shown["told"]["variants"][0]["forecast"]["source"] == SOURCE
    assert shown["variants"][0]["claims"] == [CLAIM]
    assert not [row for row in shown["variants"][0]["rows"] if row[1] == "fault"]
    assert SOURCE in (room.demo.report() or "")
    later = room.pass_(10)
    assert [row for row in later["variants"][0]["rows"] if row[1] == "fault"]


def test_what_was_played_already_keeps_its_answer_beside_the_next_question(announced: Path):
    room = Room(announced)
    room.play_to_the_result()

    shown = room.step()

    forecasts = {each["name"]: each["forecast"] for each in shown["told"]["variants"]}
    assert forecasts["careless"]["source"] == SOURCE
    assert not forecasts.get("careful")


class Held:
    """A player whose first step waits; it keeps what was asked of it."""

    can, mode = ("step",), "demo"

    def __init__(self, look: Look) -> None:
        self.now, self.asked = look, []

    def begin(self, variant: str) -> None:
        self.asked.append(f"begin {variant}")

    def let_on(self) -> None:
        self.asked.append("let on")

    def act(self, what: str, value: object) -> None:
        raise AssertionError

    def look(self) -> Look:
        return self.now


def test_the_first_fault_is_let_go_when_there_is_a_frame_of_what_was_foreseen():
    player = Held(Look((), {}, "run", "migrate", False, None))
    loaded = loader.load(content.folder("scenarios"), "half-migrated-rename")
    demo = Demo(loaded, ("careless",), player, keep=lambda _: None)
    demo.act("step", None)
    demo.act("step", None)
    assert player.asked == ["begin careless"]

    demo.frame()

    assert player.asked == ["begin careless", "let on"]


def test_a_step_that_comes_too_early_is_refused(run: Path):
    room = Room(run)
    room.step()

    with pytest.raises(InvalidValue, match="a clean baseline comes first"):
        room.step()


def test_the_guess_is_kept_and_compared(run: Path):
    room = Room(run)
    room.step()
    room.pass_(60)
    room.demo.act("guess", {"worst": 50, "lasts": 10, "woken": "yes"})
    room.step()
    with pytest.raises(InvalidValue, match="still runs"):
        room.step()
    room.pass_(500)
    shown = room.step()

    assert room.kept == [{"careless": {"worst": 50, "lasts": 10, "woken": "yes"}}]
    assert shown["scene"]["title"] == "careless: reproduced"
    rows = shown["scene"]["table"]
    assert rows[0] == ["question", "the room", "measured", "how near"]
    assert rows[1][1] == "50 %"
    assert rows[1][3] in ("right",) or rows[1][3].endswith(("too low", "too high"))


def test_it_ends_with_both_side_by_side(run: Path):
    room = Room(run)
    for _ in range(2):
        room.play_to_the_result()
    shown = room.step()

    assert shown["both"]
    assert shown["scene"]["table"][0] == ["question", "careless", "careful"]
    assert shown["scene"]["table"][1] == ["outcome", "reproduced", "prevented"]
    assert [each["name"] for each in shown["variants"]] == ["careless", "careful"]
    assert room.demo.notes()["next"] == "this is the end"


def test_every_step_can_be_held(run: Path):
    room = Room(run, every=True)
    room.step()
    room.pass_(60)
    room.step()

    shown = room.pass_(60)

    assert shown["at"][2] == "roll out"
    assert shown["scene"]["title"] == "Next: roll out"
    room.step()
    assert room.pass_(500)["at"][3]
    assert room.demo.frame() is None


def test_notes_are_not_part_of_a_frame(run: Path):
    room = Room(run)
    room.step()

    notes = room.demo.notes()

    assert notes["scenes"][notes["place"]] == "predict careless"
    assert notes["notes"][0] not in str(room.look())


@pytest.mark.parametrize(
    "guess", [None, [], {"worst": -1}, {"worst": True}, {"lasts": "long"}, {"woken": "perhaps"}]
)
def test_what_is_no_guess_is_refused(run: Path, guess):
    room = Room(run)
    room.step()

    with pytest.raises(InvalidValue):
        room.demo.act("guess", guess)
    assert room.kept == []


def test_a_guess_after_the_fact_is_refused(run: Path):
    with pytest.raises(InvalidValue, match="before it does"):
        Room(run).demo.act("guess", {"worst": 1})


def test_when_the_lab_fails_the_room_is_told(run: Path):
    room = Room(run)
    room.demo.fail("the database ended", "lab doctor")

    assert room.demo.frame() == {"failure": "the database ended", "hint": "lab doctor"}
