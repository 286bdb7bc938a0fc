"""What a deploy command that waits would have said."""

from typing import Any

from lab.scenario.checks_deploy import deploy_fails_in_time, deploy_succeeds, rollout_ended
from lab.scenario.events import NS
from lab.scenario.history import History
from lab.scenario.rollouts import rollouts

LATE = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
GOES_ON = {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"}
Line = dict[str, Any]


def line(at_s: float, release: str, updated: int, **told: Any) -> Line:
    given = {"replicas": 5 if updated < 4 else 4, "available": 4, "generation": 2, "observed": 2}
    return {
        "kind": "deployment",
        "t": round(at_s * NS),
        "name": "chirps",
        "release": release,
        "updated": updated,
        "conditions": [GOES_ON],
        **given,
        **told,
    }


def history(*lines: Line) -> History:
    facts = {"replicas": 4, "progress_deadline_s": 60}
    run = {"kind": "run", "t": 0, "scenario": "s", "variant": "v", "load": {}, "facts": facts}
    phase = {"kind": "phase", "t": NS, "name": "run"}
    before = line(0.5, "v1", 4, generation=1, observed=1)
    return History([run, before, phase, *lines])


def ends(*lines: Line) -> list[tuple[str, int | None]]:
    return [(each.release, each.code) for each in rollouts(history(*lines))]


def test_a_rollout_succeeds_when_all_pods_are_new_and_available_and_no_other_is_left():
    half = [line(2, "v2", 0), line(5, "v2", 2)]

    assert ends(*half) == [("v2", None)]
    assert ends(*half, line(9, "v2", 4, available=3)) == [("v2", None)]
    assert ends(*half, line(9, "v2", 4, replicas=5)) == [("v2", None)]
    assert ends(*half, line(9, "v2", 4)) == [("v2", 0)]


def test_fewer_pods_than_wanted_are_no_success():
    assert ends(line(2, "v2", 3, replicas=3, available=3)) == [("v2", None)]


def test_a_rollout_fails_at_its_deadline_and_what_comes_later_changes_nothing():
    found = ends(line(2, "v2", 1), line(62, "v2", 1, conditions=[LATE]), line(70, "v2", 4))

    assert found == [("v2", 1)]


def test_what_the_controller_has_not_seen_yet_is_not_believed():
    assert ends(line(2, "v2", 4, generation=3)) == []


def test_an_undo_is_a_rollout_of_its_own():
    found = ends(line(2, "v2", 4), line(9, "v1", 1, generation=3, observed=3))

    assert found == [("v2", 0), ("v1", None)]


def test_the_start_state_is_no_rollout():
    assert ends(line(2, "v1", 4, generation=1, observed=1)) == []


def test_a_step_waits_until_the_command_is_back_either_way():
    condition = rollout_ended("v2")

    assert not condition.holds(history(line(2, "v2", 1)), 0)
    assert condition.holds(history(line(2, "v2", 4)), 0)
    assert condition.holds(history(line(2, "v2", 1, conditions=[LATE])), 0)
    assert not condition.holds(history(line(2, "v1", 4, generation=3, observed=3)), 0)


def test_a_command_that_fails_at_the_deadline_is_in_time_and_no_other():
    def failing(at_s: float) -> bool | None:
        told = history(line(2, "v2", 1), line(at_s, "v2", 1, conditions=[LATE]))
        return deploy_fails_in_time("v2").judge(told).ok

    assert [failing(at_s) for at_s in (30, 63, 80)] == [False, True, False]


def test_a_command_that_is_not_back_says_nothing():
    told = history(line(2, "v2", 1))

    assert deploy_fails_in_time("v2").judge(told).ok is None
    assert deploy_succeeds("v2").judge(told).ok is None


def test_success_and_failure_are_told_apart():
    good, bad = history(line(2, "v2", 4)), history(line(62, "v2", 1, conditions=[LATE]))

    assert deploy_succeeds("v2").judge(good).ok is True
    assert deploy_succeeds("v2").judge(bad).ok is False
    assert deploy_fails_in_time("v2").judge(good).ok is False
