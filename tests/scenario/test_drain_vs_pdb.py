"""A node that is emptied against a budget: all four forms, on a simulated cluster."""

from typing import Any

import pytest

from lab.scenario.card import EXIT_CODE
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
        ("careless-with-an-unwell-pod", Outcome.REPRODUCED),
        ("control-with-an-unwell-pod", Outcome.NOT_REPRODUCED),
        ("careful-with-an-unwell-pod", Outcome.PREVENTED),
    ],
)
def test_each_form_comes_as_predicted(scenario: Scenario, variant: str, outcome: Outcome) -> None:
    verdict = verdict_of(scenario, variant, stage())

    assert (verdict.outcome, verdict.reasons if not verdict.as_predicted else ()) == (outcome, ())


def test_a_refusal_is_computed_from_the_budget_that_was_read_back(scenario: Scenario) -> None:
    verdict = verdict_of(scenario, "careless", stage())

    refused = next(each for each in verdict.checks if "refused" in each.name)
    assert refused.formula == (
        "1 pods x 45 s of draining / 5 s; 4 healthy pods - 4 that the budget wants = 0 that may go"
    )
    assert refused.measured == refused.predicted == 45 / 5


def formula_of(scenario: Scenario, variant: str) -> str:
    checks = verdict_of(scenario, variant, stage()).checks
    return next(each.formula.split("; ", 1)[1] for each in checks if "refused" in each.name)


def test_what_may_become_of_an_unwell_pod_follows_from_the_policy(scenario: Scenario) -> None:
    kept = formula_of(scenario, "careless-with-an-unwell-pod")
    let_go = formula_of(scenario, "control-with-an-unwell-pod")

    told = "IfHealthyBudget lets it go while 4 others are healthy, and 3 are"
    assert kept == f"the pod on n4 is not ready; {told}"
    assert let_go == "the pod on n4 is not ready, and AlwaysAllow lets it go"


def test_an_unwell_pod_that_is_kept_although_it_may_go_reproduces_nothing(
    scenario: Scenario,
) -> None:
    stubborn = stage()
    stubborn._may_go = lambda _pod: False  # type: ignore[method-assign]

    verdict = verdict_of(scenario, "control-with-an-unwell-pod", stubborn)

    assert verdict.outcome is Outcome.NOT_REPRODUCED
    assert said(verdict)["evictions on n4 are refused"] is False


def test_where_the_new_pod_gets_ready_nothing_is_proved(scenario: Scenario) -> None:
    # The old pod is gone before the new one is ready: for a second that is what it looks like.
    lucky = stage(terminating_s=1)
    lucky.spoil_secret = lambda release: lucky._write_own(  # type: ignore[method-assign]
        "secret", release=release, what="wrong"
    )

    verdict = verdict_of(scenario, "careless-with-an-unwell-pod", lucky)

    assert verdict.outcome is Outcome.INVALID
    assert any(
        "until the only pod of the service on n4 runs and is not ready" in each
        for each in verdict.reasons
    )


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


def test_fewer_refusals_than_kubectl_would_have_got_reproduce_nothing(scenario: Scenario) -> None:
    lazy = stage(again_after_s=8)

    verdict = verdict_of(scenario, "careless", lazy)

    assert said(verdict)["evictions on n4 are refused"] is False


def test_a_pod_that_takes_too_long_to_end_prevents_nothing(scenario: Scenario) -> None:
    verdict = verdict_of(scenario, "careful", stage(terminating_s=200))

    assert said(verdict)["n4 is emptied"] is False


def test_a_drain_that_is_done_much_later_than_a_pod_may_take_prevents_nothing(
    scenario: Scenario,
) -> None:
    verdict = verdict_of(scenario, "careful", stage(terminating_s=40))

    emptied = next(each for each in verdict.checks if each.name == "n4 is emptied")
    assert (emptied.ok, emptied.detail, emptied.predicted) == (False, "done", "at most 35 s")


def test_the_card_names_the_drain_that_gave_up(scenario: Scenario) -> None:
    card = verdict_of(scenario, "careless", stage()).card

    assert card is not None
    told = next(each for each in card.told if each.way == EXIT_CODE)
    assert told.ok
    assert told.says.startswith("drain of n4 gave up")


def test_without_a_pod_on_the_node_the_run_proves_nothing(scenario: Scenario) -> None:
    verdict = verdict_of(scenario, "careless", stage(nobody_on="n4"))

    assert verdict.outcome is Outcome.INVALID
    assert "baseline: no pod of v1 is on n4" in verdict.reasons


def test_it_needs_nodes(scenario: Scenario) -> None:
    assert choice.able(scenario) == ("sandbox", "kind")
    assert set(missing(scenario, dict.fromkeys(Need, "no"))) == {Need.NODES, Need.EVICTION}
