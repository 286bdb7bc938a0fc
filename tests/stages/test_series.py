"""Playing many runs: in which order, within which time, and what happens when one goes wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from lab.errors import Interrupted, InvalidValue, LabError, NotRoot
from lab.paths import Paths
from lab.scenario import tally
from lab.scenario.loader import Loaded
from lab.scenario.tally import Case
from lab.stages.estimate import Estimates
from lab.stages.series import Budget, Planned, Series, plan
from lab.store import Store
from tests.stages.places import Grounds, dirty, fails_with, nothing, scenario, store_in


class Played:
    """A series on grounds that may go wrong, and the cases that it told."""

    def __init__(self, store: Store, grounds: Grounds, *loaded: Loaded) -> None:
        self.store = store
        self.grounds = grounds
        self.loaded = loaded
        self.cases: list[Case] = []
        self.estimates = Estimates(store, "twin", "fake")

    def play(self, *, rounds: int = 1, budget_s: float | None = None, **how: Any) -> "Played":
        time = self.grounds.time
        budget = Budget(budget_s, now=lambda: time.ns / 1e9) if budget_s else None
        series = Series(
            self.grounds.place,
            self.grounds.playing(self.store),
            self.estimates,
            self.cases.append,
            budget,
            **how,
        )
        series.play(self.planned(rounds=rounds, shortest_first=budget is not None))
        return self

    def planned(self, **how: Any) -> tuple[Planned, ...]:
        both = [(each, (each.scenario.careless, each.scenario.careful)) for each in self.loaded]
        return plan(both, self.estimates, **how)

    @property
    def told(self) -> list[tuple[str, str, str]]:
        return [
            (
                case.scenario,
                case.variant,
                case.verdict.outcome.value if case.verdict else case.reasons[0],
            )
            for case in self.cases
        ]


@pytest.fixture
def store(paths: Paths, tmp_path: Path) -> Store:
    return store_in(paths, tmp_path)


def test_runs_come_one_after_the_other_in_a_place_that_is_entered_once(store: Store) -> None:
    played = Played(store, Grounds(), scenario("one"), scenario("two")).play()

    assert played.told == [
        ("one", "careless", "reproduced"),
        ("one", "careful", "prevented"),
        ("two", "careless", "reproduced"),
        ("two", "careful", "prevented"),
    ]
    assert (played.grounds.entered, played.grounds.left) == (1, 1)
    assert all(case.run and Path(case.directory).is_dir() for case in played.cases)


def test_everything_is_played_once_before_anything_again(store: Store) -> None:
    played = Played(store, Grounds(), scenario("one"), scenario("two")).play(rounds=2)

    assert [(c.scenario, c.round) for c in played.cases if c.variant == "careful"] == [
        ("one", 1),
        ("two", 1),
        ("one", 2),
        ("two", 2),
    ]
    assert len({case.run for case in played.cases}) == 4


def test_repetitions_that_disagree_are_flaky_and_the_worst_counts(store: Store) -> None:
    played = Played(store, Grounds(), scenario("one", True, False, True)).play(rounds=3)

    (flaky,) = tally.flaky(played.cases)
    assert (flaky.scenario, flaky.variant) == ("one", "careless")
    assert dict(flaky.outcomes) == {
        "reproduced (as predicted)": 2,
        "not reproduced (not as predicted)": 1,
    }
    assert tally.exit_code(played.cases) == 1


def test_a_run_in_which_the_lab_fails_is_told_and_the_next_one_is_played(store: Store) -> None:
    broken = fails_with(LabError("no database", hint="lab reset"))
    played = Played(store, Grounds([broken]), scenario("one"), scenario("two")).play()

    assert played.told[:2] == [
        ("one", "careless", "no database"),
        ("one", "careful", "no database"),
    ]
    assert played.told[3] == ("two", "careful", "prevented")
    assert played.cases[0].hint == "lab reset"
    assert tally.exit_code(played.cases) == 4
    # What is left of a place that broke must not spoil the next run.
    assert (played.grounds.entered, played.grounds.left) == (2, 2)


def test_what_was_judged_before_the_lab_failed_counts(store: Store) -> None:
    grounds = Grounds([nothing, fails_with(LabError("no database"))])
    played = Played(store, grounds, scenario("one")).play()

    assert played.told == [
        ("one", "careless", "reproduced"),
        ("one", "careful", "no database"),
    ]


def test_a_place_that_cannot_be_entered_at_all_is_an_error_of_its_own(store: Store) -> None:
    played = Played(store, Grounds(entering=[NotRoot("needs root")]), scenario("one"))

    with pytest.raises(NotRoot):
        played.play()

    assert not played.cases


def test_a_place_that_cannot_be_entered_again_fails_the_runs_that_need_it(store: Store) -> None:
    grounds = Grounds([fails_with(LabError("gone"))], entering=[None, LabError("no room")])
    played = Played(store, grounds, scenario("one"), scenario("two"), scenario("three")).play()

    assert [each[2] for each in played.told] == [
        *("gone", "gone"),
        *("no room", "no room"),
        *("reproduced", "prevented"),
    ]


@pytest.mark.parametrize("error", [Interrupted("stopped"), KeyboardInterrupt()], ids=repr)
def test_an_interruption_ends_all_and_leaves_the_place(store: Store, error: BaseException) -> None:
    grounds = Grounds([nothing, nothing, fails_with(error)])
    played = Played(store, grounds, scenario("one"), scenario("two"), scenario("three"))

    with pytest.raises(type(error)):
        played.play()

    assert [each[0] for each in played.told] == ["one", "one"]
    assert (grounds.entered, grounds.left) == (1, 1)


# A budget.


def test_a_later_round_is_expected_to_take_what_the_first_one_took(store: Store) -> None:
    one = scenario("one", baseline_s=1)
    guessed_s = Played(store, Grounds(), one).planned()[0].expected_s

    played = Played(store, Grounds(), one).play(rounds=2, budget_s=guessed_s + 1)

    assert [(case.round, case.code) for case in played.cases] == [(1, 0), (1, 0), (2, 0), (2, 0)]


def test_with_a_budget_the_shortest_is_played_first(store: Store) -> None:
    played = Played(store, Grounds(), scenario("long"), scenario("short"))
    played.play()
    stretch(store, "long", by=3)

    again = Played(store, Grounds(), *played.loaded)

    assert [run.name for run in again.planned(shortest_first=True)] == ["short", "long"]
    assert [run.name for run in again.planned()] == ["long", "short"]


def test_what_does_not_fit_is_left_out_and_told(store: Store) -> None:
    played = Played(store, Grounds(), scenario("long"), scenario("short"))
    played.play()
    stretch(store, "long", by=10)
    again = Played(store, Grounds(), *played.loaded)
    expected_s = {run.name: run.expected_s for run in again.planned()}

    again.play(budget_s=expected_s["short"] + expected_s["long"] - 5)

    assert again.told[:2] == [
        ("short", "careless", "reproduced"),
        ("short", "careful", "prevented"),
    ]
    assert [(c.scenario, c.code) for c in again.cases[2:]] == [("long", None), ("long", None)]
    assert again.cases[2].left_out.startswith(f"it takes about {expected_s['long']:.0f} s, and")
    assert tally.exit_code(again.cases) == 0


def test_where_nothing_fits_nothing_is_entered_and_nothing_is_proved(store: Store) -> None:
    played = Played(store, Grounds(), scenario("one")).play(budget_s=1)

    assert played.grounds.entered == 0
    assert tally.exit_code(played.cases) == 3


def test_where_a_place_has_to_be_made_the_budget_is_for_that_too(store: Store) -> None:
    played = Played(store, Grounds(begins_within_s=100), scenario("one"))
    (only,) = played.planned()

    with pytest.raises(InvalidValue, match="100 s to make the cluster") as caught:
        played.play(budget_s=100 + only.expected_s - 1)

    assert (
        f"{only.expected_s:.0f} s for one, the shortest, and 0 s to remove" in caught.value.message
    )
    assert "--budget 3m, or " in (caught.value.hint or "")
    assert (played.grounds.entered, played.cases) == (0, [])


def test_what_fits_beside_making_the_place_is_played(store: Store) -> None:
    played = Played(store, Grounds(begins_within_s=100), scenario("one"), scenario("two"))
    first, _ = played.planned()
    # What it takes to play is measured anew, so that the second one cannot fit.
    played.play(budget_s=100 + first.expected_s + 1)

    assert played.grounds.entered == 1
    assert [case.verdict is not None for case in played.cases] == [True, True, False, False]


def test_a_place_that_has_to_be_made_anew_takes_its_time_again(store: Store) -> None:
    grounds = Grounds([fails_with(LabError("broken"))], begins_within_s=100)
    played = Played(store, grounds, scenario("one"), scenario("two"))
    expected_s = sum(each.expected_s for each in played.planned())

    played.play(budget_s=100 + expected_s + 50)

    assert grounds.entered == 1
    assert "it takes about 1" in played.cases[-1].left_out


def test_what_proved_nothing_is_played_once_more_only_if_that_fits(store: Store) -> None:
    Played(store, Grounds(), scenario("one")).play()
    expected_s = Played(store, Grounds(), scenario("one")).planned()[0].expected_s

    tight = Played(store, Grounds([nothing, dirty]), scenario("one")).play(budget_s=expected_s + 1)
    wide = Played(store, Grounds([nothing, dirty]), scenario("one")).play(budget_s=expected_s * 3)

    assert [(case.code, len(case.invalid)) for case in tight.cases] == [(0, 0), (3, 0)]
    assert [(case.code, len(case.invalid)) for case in wide.cases] == [(0, 0), (0, 1)]


def test_without_retry_what_proved_nothing_stays(store: Store) -> None:
    played = Played(store, Grounds([dirty]), scenario("one")).play(retry=False)

    assert [case.code for case in played.cases] == [3, 0]


def stretch(store: Store, name: str, *, by: float) -> None:
    """Let what is stored of a scenario have taken longer."""
    for run in store.runs(name):
        for variant in run.variants:
            told = json.loads(run.verdict(variant).read_bytes())
            told["figures"]["wall_s"] *= by
            run.verdict(variant).write_text(json.dumps(told))
