"""What migrates in every pod at boot: judged by the data, on histories with known truth."""

from typing import Any

import pytest

from lab import content
from lab.scenario import loader
from lab.scenario.judge import judge
from lab.scenario.verdict import Outcome, Verdict
from tests.scenario.told import Life, Told, four, variant_of

SCENARIO = loader.load(content.folder("scenarios"), "boot-race-double-apply").scenario
RECORDED = "version 6 is recorded once"
GRANTED = "the largest quota is that of one grant"


def rollout() -> list[Life]:
    """New pods at once, and the old ones go when those are available."""
    return [*four("v1", until=16, gone=20), *four("v1b", since=12)]


def verdict(name: str, *, recorded: int, granted: int, **truth: Any) -> Verdict:
    variant, values = variant_of(SCENARIO, name), {RECORDED: recorded, GRANTED: granted}
    told = Told(SCENARIO, variant, rollout(), values=values, **truth)
    return judge(SCENARIO, variant, told.history())


@pytest.mark.parametrize("times", [2, 3, 4])
def test_data_changed_as_often_as_is_recorded_is_reproduced_whoever_lost_the_race(times):
    found = verdict("careless", recorded=times, granted=10 * times)

    assert found.outcome is Outcome.REPRODUCED, found.reasons
    assert found.figures.failures == 0


@pytest.mark.parametrize(("recorded", "granted"), [(1, 10), (4, 10), (1, 40), (4, 30)])
def test_anything_else_than_one_grant_a_row_is_not_reproduced(recorded, granted):
    found = verdict("careless", recorded=recorded, granted=granted)

    assert found.outcome is Outcome.NOT_REPRODUCED


def test_data_that_was_damaged_while_users_failed_is_another_failure():
    found = verdict(
        "careless", recorded=4, granted=40, fails=lambda at, *_: "42703" if at > 15 else None
    )

    assert found.outcome is Outcome.NOT_REPRODUCED
    assert [check.name for check in found.checks if not check.ok] == ["no failure"]


def test_applied_once_is_prevented():
    found = verdict("careful", recorded=1, granted=10)

    assert found.outcome is Outcome.PREVENTED, found.reasons


@pytest.mark.parametrize(("recorded", "granted"), [(2, 10), (1, 20), (1, 0)])
def test_the_careful_way_owes_one_row_and_one_grant(recorded, granted):
    assert verdict("careful", recorded=recorded, granted=granted).outcome is Outcome.NOT_PREVENTED


def test_the_control_is_no_damage_however_often_it_is_recorded():
    for recorded in (1, 4):
        found = verdict("control", recorded=recorded, granted=0)

        assert found.outcome is Outcome.NOT_REPRODUCED
        assert found.as_predicted, found.reasons


def test_without_the_lock_it_is_recorded_again_and_the_statement_still_holds():
    found = verdict("careful-without-lock", recorded=4, granted=10)

    assert found.outcome is Outcome.NOT_PREVENTED
    assert found.as_predicted, found.reasons


def test_without_the_lock_and_with_damage_it_is_red_for_another_reason():
    assert not verdict("careful-without-lock", recorded=4, granted=40).as_predicted


@pytest.mark.parametrize(("times", "outcome"), [(1, Outcome.PREVENTED), (2, Outcome.NOT_PREVENTED)])
def test_the_lock_alone_is_enough_as_long_as_everybody_takes_it(times, outcome):
    found = verdict("careful-by-lock-alone", recorded=times, granted=10 * times)

    assert found.outcome is outcome, found.reasons


def test_a_question_that_the_database_did_not_answer_proves_nothing():
    variant = SCENARIO.careless
    told = Told(SCENARIO, variant, rollout(), values={RECORDED: None, GRANTED: 20})

    found = judge(SCENARIO, variant, told.history())

    assert found.outcome is Outcome.INVALID


def test_in_every_variant_more_than_one_pod_starts_at_once():
    assert {variant.start.profile["max_surge"] for variant in SCENARIO.variants} == {2}


def test_the_guide_gives_away_nothing_on_its_first_page():
    guide = loader.load(content.folder("scenarios"), SCENARIO.name).guide

    assert not {"migrat", "boot", "version"} & set(guide.page.lower().split())
    assert len(guide.hints) == 3
