"""A node that is emptied against a budget: all four forms, on a simulated cluster."""

from typing import Any

import pytest

from lab.scenario.model import Scenario
from lab.scenario.needs import Need, missing
from lab.scenario.verdict import Outcome
from lab.stages import choice
from tests.scenario.playing import load, said, verdict_of
from tests.scenario.simulated import FakeTime
from tests.scenario.simulated_nodes import NodesStage


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return load("drain-vs-pdb")


def stage(**truth: Any) -> NodesStage:
    return NodesStage(FakeTime(), **truth)


@pytest.mark.parametrize(
    ("variant", "outcome"),
    [
        ("careless", Outcome.REPRODUCED),
        ("careful", Outcome.PREVENTED),
        ("control", Outcome.NOT_REPRODUCED),
        ("careful-without-spare", Outcome.NOT_PREVENTED),
    ],
)
def test_each_form_comes_as_predicted(scenario: Scenario, variant: str, outcome: Outcome) -> None:
    verdict = verdict_of(scenario, variant, stage())

    assert (verdict.outcome, verdict.reasons if not verdict.as_predicted else ()) == (outcome, ())


def test_a_refusal_is_computed_from_the_budget_that_was_read_back(scenario: Scenario) -> None:
    verdict = verdict_of(scenario, "careless", stage())

    refused = next(each for each in verdict.checks if "refused" in each.name)
    assert refused.formula == "4 healthy pods - 4 that the budget wants = 0 that may go"
    assert refused.measured == 90 / 5


def test_refusals_that_the_budget_does_not_explain_reproduce_nothing(scenario: Scenario) -> None:
    strange = stage()
    reset = strange.reset

    def reset_and_want_less(start: Any) -> None:
        reset(start)
        strange.facts = {**strange.facts, "desired_healthy": 3}

    strange.reset = reset_and_want_less  # type: ignore[method-assign]
    verdict = verdict_of(scenario, "careless", strange)

    assert verdict.outcome is Outcome.NOT_REPRODUCED
    assert said(verdict)["evictions on n4 are refused"] is False


def test_a_pod_that_takes_too_long_to_end_prevents_nothing(scenario: Scenario) -> None:
    verdict = verdict_of(scenario, "careful", stage(terminating_s=200))

    assert said(verdict)["n4 is emptied"] is False


def test_without_a_pod_on_the_node_the_run_proves_nothing(scenario: Scenario) -> None:
    verdict = verdict_of(scenario, "careless", stage(nobody_on="n4"))

    assert verdict.outcome is Outcome.INVALID
    assert "baseline: no pod of v1 is on n4" in verdict.reasons


def test_it_needs_nodes(scenario: Scenario) -> None:
    assert choice.able(scenario) == ("sandbox",)
    assert set(missing(scenario, dict.fromkeys(Need, "no"))) == {Need.NODES, Need.EVICTION}
