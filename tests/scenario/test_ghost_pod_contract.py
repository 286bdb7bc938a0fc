"""A release that the API counts no more, and that lives: all four forms, on a simulated cluster."""

from typing import Any

import pytest

from lab.scenario.model import Scenario
from lab.scenario.needs import Need, missing
from lab.scenario.verdict import Outcome
from lab.stages import choice
from tests.scenario.playing import load, play, said, variant_of, verdict_of
from tests.scenario.simulated import FakeTime
from tests.scenario.simulated_nodes import NodesStage

FAST: dict[str, Any] = {"grace_s": 20, "toleration_s": 5}
GIVEN_UP = "pods on n5 are given up after their toleration"
CONNECTED = "ghosts of v2 are connected"
LOST = "n5 counts as lost after its grace period"
LEFT = "no session of v2"
ROWS = "rows that ghosts of v2 write"


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return load("ghost-pod-contract")


def stage(**truth: Any) -> NodesStage:
    return NodesStage(FakeTime(), **(FAST | truth))


@pytest.mark.parametrize(
    ("variant", "outcome"),
    [
        ("careless", Outcome.REPRODUCED),
        ("careful", Outcome.PREVENTED),
        ("control", Outcome.NOT_REPRODUCED),
        ("careful-without-fence", Outcome.NOT_PREVENTED),
    ],
)
def test_each_form_comes_as_predicted(scenario: Scenario, variant: str, outcome: Outcome) -> None:
    verdict = verdict_of(scenario, variant, stage())

    assert (verdict.outcome, verdict.reasons if not verdict.as_predicted else ()) == (outcome, ())


def test_nobody_who_asks_for_a_page_notices(scenario: Scenario) -> None:
    verdict = verdict_of(scenario, "careless", stage())

    assert verdict.figures.failures == 0
    assert verdict.figures.requests > 3000


def test_the_ghost_is_named_as_it_was_seen(scenario: Scenario) -> None:
    verdict = verdict_of(scenario, "careless", stage())

    ghosts = next(each for each in verdict.checks if each.name == CONNECTED)
    assert ghosts.measured == ghosts.predicted == "chirps-v2-2"


@pytest.mark.parametrize("truth", [FAST, {"grace_s": 50, "toleration_s": 300}])
def test_the_times_are_computed_from_the_timers_that_were_read_back(
    scenario: Scenario, truth: dict[str, Any]
) -> None:
    verdict = verdict_of(scenario, "careless", stage(**truth))

    lost = next(each for each in verdict.checks if each.name == LOST)
    grace = truth["grace_s"]
    assert lost.predicted == f"{grace - 10:g} to {grace + 15:g} s"
    assert lost.ok


def test_a_node_that_is_lost_much_later_than_its_timers_say_reproduces_nothing(
    scenario: Scenario,
) -> None:
    verdict = verdict_of(scenario, "careless", stage(lost_late_s=40))

    assert said(verdict)[LOST] is False
    assert verdict.outcome is Outcome.NOT_REPRODUCED


def test_as_many_rows_are_lost_as_the_ghost_was_due_to_write(scenario: Scenario) -> None:
    verdict = verdict_of(scenario, "careless", stage())

    rows = next(each for each in verdict.checks if each.name == ROWS)
    assert rows.predicted == 8
    assert rows.measured == pytest.approx(8, abs=2)


def test_pods_that_are_given_up_at_once_have_tolerated_nothing(scenario: Scenario) -> None:
    verdict = verdict_of(scenario, "careless", stage(given_up_early_s=4))

    assert said(verdict)[GIVEN_UP] is False
    assert verdict.outcome is Outcome.NOT_REPRODUCED


def test_an_agent_that_takes_its_containers_along_leaves_no_ghost(scenario: Scenario) -> None:
    verdict = verdict_of(scenario, "careless", stage(agent_kills=True))

    assert verdict.outcome is Outcome.NOT_REPRODUCED
    assert said(verdict)[CONNECTED] is False
    assert said(verdict)["work of v2 gets lost"] is False


def test_a_ghost_that_does_nothing_loses_nothing(scenario: Scenario) -> None:
    verdict = verdict_of(scenario, "careless", stage(workers=False))

    assert verdict.outcome is Outcome.NOT_REPRODUCED
    assert said(verdict)[CONNECTED] is True
    assert said(verdict)[ROWS] is False


def test_a_permission_while_somebody_is_there_prevents_nothing(scenario: Scenario) -> None:
    verdict = verdict_of(scenario, "careful", stage(answers={0: 0}))

    assert verdict.outcome is Outcome.NOT_PREVENTED
    assert [name for name, ok in said(verdict).items() if not ok] == [
        "ask can-i-contract: no, and who is still there"
    ]


def test_a_second_refusal_is_no_permission(scenario: Scenario) -> None:
    verdict = verdict_of(scenario, "careful", stage(answers={1: 1}))

    assert said(verdict)["ask can-i-contract (attempt 2): yes"] is False


def test_who_cannot_tell_ends_the_run(scenario: Scenario) -> None:
    verdict = verdict_of(scenario, "careful", stage(answers={0: 2}))

    assert verdict.outcome is Outcome.INVALID


def test_what_was_done_to_node_and_roles_is_taken_back(scenario: Scenario) -> None:
    played = stage()

    play(scenario, variant_of(scenario, "careful"), played)

    assert not played.agents_off
    assert not played.shut


def test_without_a_pod_on_the_node_the_run_proves_nothing(scenario: Scenario) -> None:
    verdict = verdict_of(scenario, "careless", stage(nobody_on="n5"))

    assert verdict.outcome is Outcome.INVALID
    assert "baseline: no pod of v2 is on n5" in verdict.reasons


def test_it_needs_nodes_whose_agents_can_be_stopped(scenario: Scenario) -> None:
    assert choice.able(scenario) == ("sandbox", "kind")
    needed = {Need.NODES, Need.NODE_AGENT, Need.OPERATOR}
    assert set(missing(scenario, dict.fromkeys(Need, "no"))) == needed
