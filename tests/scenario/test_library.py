"""What each scenario owes: both ways, a control, a mutation, each with the reason it is to have."""

import pytest

from lab import content
from lab.scenario import loader
from lab.scenario.checks import no_write_is_lost
from lab.scenario.model import Role, Scenario, Variant
from lab.scenario.verdict import Outcome
from tests.scenario.playing import load

FOLDER = content.folder("scenarios")
NAMES = loader.names(FOLDER)
OTHER_HALF = {
    "shared-dep-readiness": "shallow-ready-bad-config",
    "shallow-ready-bad-config": "shared-dep-readiness",
}


def of(scenario: Scenario, role: Role, predicted: Outcome) -> list[Variant]:
    return [v for v in scenario.proofs if v.role is role and v.predicted is predicted]


def checked(variant: Variant) -> set[str]:
    return {check.name for check in variant.checks}


@pytest.mark.parametrize("name", NAMES)
def test_a_control_fails_what_careless_is_judged_by_and_says_what_is_seen_instead(name: str):
    scenario = load(name)
    controls = of(scenario, Role.CARELESS, Outcome.NOT_REPRODUCED)

    assert controls
    for control in controls:
        assert len(control.checks) <= len(scenario.careless.checks)
        assert control.because


@pytest.mark.parametrize("name", NAMES)
def test_a_mutation_goes_red_for_a_reason_that_is_named(name: str):
    mutations = of(load(name), Role.CAREFUL, Outcome.NOT_PREVENTED)

    assert mutations
    assert [each.name for each in mutations if not each.because] == []


@pytest.mark.parametrize("name", NAMES)
def test_no_careful_way_may_lose_what_was_acknowledged(name: str):
    """Data is judged apart from availability: nothing of it is seen in a rate of failures."""
    scenario = load(name)
    ways = [scenario.careful, *of(scenario, Role.CAREFUL, Outcome.PREVENTED)]

    assert [way.name for way in ways if no_write_is_lost().name not in checked(way)] == []


@pytest.mark.parametrize("name", OTHER_HALF)
def test_the_two_halves_of_readiness_are_told_together(name: str):
    told = (FOLDER / name / "guide.md").read_text() + (FOLDER / name / "scenario.py").read_text()

    assert told.count(OTHER_HALF[name]) >= 2


def test_every_scenario_is_played_on_a_simulated_stage_or_told():
    here = FOLDER.parent / "tests/scenario"

    assert [n for n in NAMES if not (here / f"test_{n.replace('-', '_')}.py").exists()] == []
