"""How long will it take: from earlier runs where there are some, else from the scenario."""

from pathlib import Path

import pytest

from lab.paths import Paths
from lab.scenario.model import Variant
from lab.stages import choice
from lab.stages.estimate import PACES, Estimates, guess, measured
from lab.store import Store
from tests.scenario.histories import half_migrated_rename
from tests.stages.places import Grounds, dirty, scenario, store_in


@pytest.fixture
def store(paths: Paths, tmp_path: Path) -> Store:
    return store_in(paths, tmp_path)


def play(store: Store, *variants: Variant, grounds: Grounds) -> list[float]:
    loaded = scenario()
    how = grounds.playing(store, may_retry=lambda _: False)
    played = how.play(grounds.place, loaded, variants or (loaded.scenario.careless,))
    return [verdict.figures.wall_s for verdict in played.verdicts]


def test_the_median_of_earlier_runs_counts(store: Store) -> None:
    walls = [play(store, grounds=Grounds())[0] for _ in range(3)]

    told = Estimates.at(Grounds().place, store).seconds(
        scenario().scenario, [scenario().scenario.careless]
    )

    assert told == pytest.approx(sorted(walls)[1])


def test_a_run_that_proved_nothing_ended_early_and_is_no_measure(store: Store) -> None:
    play(store, grounds=Grounds([dirty]))

    assert measured(store, "nudged", stage="twin", clock="fake") == {}


def test_another_stage_is_no_measure(store: Store) -> None:
    play(store, grounds=Grounds())

    assert set(measured(store, "nudged", stage="twin", clock="fake")) == {"careless"}
    assert measured(store, "nudged", stage="sandbox", clock="fake") == {}


def test_another_clock_is_no_measure(store: Store) -> None:
    play(store, grounds=Grounds())

    told = scenario().scenario
    fast = Estimates(store, "twin", "fast").seconds(told, [told.careless])
    assert fast == guess(told, told.careless, "twin")
    assert fast != Estimates.at(Grounds().place, store).seconds(told, [told.careless])


def test_a_variant_that_was_never_played_is_guessed(store: Store) -> None:
    told = scenario().scenario

    assert Estimates.at(Grounds().place, store).seconds(told, [told.careful]) == guess(
        told, told.careful, "twin"
    )


@pytest.mark.parametrize("stage", PACES)
def test_a_guess_grows_with_what_the_steps_may_wait_for(stage: str) -> None:
    short, long = scenario().scenario, half_migrated_rename()

    assert guess(short, short.careless, stage) < guess(long, long.careless, stage)


def test_the_twin_is_guessed_to_be_quicker_than_nodes() -> None:
    rename = half_migrated_rename()

    assert guess(rename, rename.careless, "twin") < guess(rename, rename.careless, "sandbox")


def test_what_a_scenario_takes_is_told_for_each_stage_by_its_own_clock(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []

    def measured(_store: Store, _name: str, *, stage: str, clock: str) -> dict[str, float]:
        asked.append((stage, clock))
        return {"careless": 40.0, "careful": 50.0}

    monkeypatch.setattr("lab.stages.estimate.measured", measured)

    told = choice.takes(store, half_migrated_rename(), "fast")

    assert told == {"sandbox": 90, "kind": 90, "twin": 90}
    assert asked == [("sandbox", "fast"), ("kind", "fast"), ("twin", "short")]
