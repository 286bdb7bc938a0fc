"""A check for the schema that is too strict: on histories with known truth."""

from typing import Any

import pytest

from lab import content
from lab.scenario import loader
from lab.scenario.judge import judge
from lab.scenario.verdict import Outcome, Verdict
from tests.scenario.histories import NEVER
from tests.scenario.told import Life, Told, four, variant_of

SCENARIO = loader.load(content.folder("scenarios"), "hook-poisoned-rollback").scenario
COMMIT, ROLL_OUT, UNDO, LAST, END = 8.0, 18.0, 50.0, 62.0, 85.0
STEPS = {"migrate": 7.0, "roll out": ROLL_OUT, "undo": UNDO, "undone": LAST - 0.5}
STEPS |= {"ask less": LAST, "deploy again": LAST}
OUT = 12.0
NEVER_READY = Life("v2-broken", "v2", made=19.0, gone=56.0)


def taken_out(*, out: float = OUT, again: Life | None = None) -> list[Life]:
    """All old pods are out soon after the commit; new pods that ask less serve in the end."""
    old = [Life(f"v1-{n}", "v1", ((-10, out),), gone=75.0 + n) for n in range(4)]
    new = [Life(f"less-{n}", "v1", ((65.0 + 2 * n, NEVER),), 63.0) for n in range(4)]
    return [*old, NEVER_READY, *new, *([again] if again else [])]


def staying() -> list[Life]:
    """Nobody is taken out, and the repaired v2 replaces the old pods one by one."""
    old = [Life(f"v1-{n}", "v1", ((-10, 67.0 + 2 * n),), gone=70.0 + 2 * n) for n in range(4)]
    new = [Life(f"v2-{n}", "v2", ((65.0 + 2 * n, NEVER),), 63.0 + 2 * n) for n in range(4)]
    return [*old, NEVER_READY, *new]


def verdict(name: str, pods: list[Life], **truth: Any) -> Verdict:
    variant = variant_of(SCENARIO, name)
    given = {"versions": ((6, COMMIT),), "steps": STEPS, "overdue_s": 49.0, "verify_s": END}
    told = Told(SCENARIO, variant, pods, **(given | truth))
    return judge(SCENARIO, variant, told.history())


def test_all_pods_out_before_anything_is_rolled_out_is_reproduced():
    found = verdict("careless", taken_out())

    assert found.outcome is Outcome.REPRODUCED, found.reasons
    assert {(row.release, row.outcome) for row in found.signature} == {("", "refused")}


def test_kept_connections_are_still_answered_by_pods_that_are_out():
    history = Told(SCENARIO, SCENARIO.careless, taken_out(), steps=STEPS, verify_s=END).history()
    meanwhile = [e for e in history.of("request") if OUT + 1 < e["t"] / 1e9 < LAST]

    assert {e["outcome"] for e in meanwhile if e["stream"] == "fresh"} == {"refused"}
    assert any(e["outcome"] == "ok" for e in meanwhile if e["stream"] == "keepalive")


@pytest.mark.parametrize("out", [20.0, 55.0])
def test_pods_that_go_out_later_do_so_for_another_reason(out):
    found = verdict("careless", taken_out(out=out))

    assert found.outcome is Outcome.NOT_REPRODUCED


def test_an_undo_that_brings_one_pod_back_helps_and_is_not_reproduced():
    back = Life("v1-back", "v1", ((53.0, 60.0),), 51.0, gone=61.0)

    assert verdict("careless", taken_out(again=back)).outcome is Outcome.NOT_REPRODUCED


def test_pods_that_stay_are_prevented():
    found = verdict("careful", staying())

    assert found.outcome is Outcome.PREVENTED, found.reasons


def test_one_ready_pod_too_few_is_not_prevented():
    pods = staying()
    pods[0] = Life("v1-0", "v1", ((-10, 30.0), (31.0, 67.0)), gone=70.0)

    found = verdict("careful", pods)

    assert [each.name for each in found.checks if not each.ok] == [
        "enough endpoints are ready all the time"
    ]


def test_the_control_that_only_says_so_is_not_reproduced():
    pods = [*four("v1"), NEVER_READY]

    found = verdict("control", pods)

    assert found.outcome is Outcome.NOT_REPRODUCED
    assert found.as_predicted, found.reasons


def test_the_careful_way_with_equality_goes_red_with_the_commit():
    found = verdict("careful-with-equality", taken_out())

    assert found.outcome is Outcome.NOT_PREVENTED
    assert found.as_predicted, found.reasons


def test_red_without_the_commit_is_another_reason():
    found = verdict("careful-with-equality", taken_out(out=30.0))

    assert found.outcome is Outcome.NOT_PREVENTED
    assert not found.as_predicted


def test_careless_and_careful_do_the_same_until_the_undo_is_done():
    names = [[step.name for step in v.timeline[:4]] for v in SCENARIO.variants]

    assert names == [["migrate", "roll out", "undo", "undone"]] * len(names)
