"""Faults that move the Deployment: seen when its controller has acted on what it was told."""

from typing import Any

import pytest

from lab.faults import Migrate, Pause, Resume, Scale, SetImage, SetStrategy, Undo
from tests.faults.lines import deployment, injected, recovered, requested


def job(t: int, name: str, *, failed: bool) -> dict[str, Any]:
    condition = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}
    counts = {"active": 0, "succeeded": int(not failed), "failed": int(failed)}
    told = {"kind": "job", "t": t, "name": name, "conditions": [condition] if failed else []}
    return told | counts


def test_a_pause_is_seen_by_the_deployment_that_says_so():
    before = deployment(50, generation=1)

    assert Pause().is_observed(requested(Pause(), before, deployment(150, paused=True)))
    assert not Pause().is_observed(requested(Pause(), before, deployment(150)))


def test_a_spec_that_the_controller_has_not_acted_on_is_not_believed():
    late = deployment(150, generation=2, observed=1, paused=True)

    assert not Pause().is_observed(requested(Pause(), deployment(50, generation=1), late))


def test_a_line_that_tells_nothing_new_is_not_believed():
    before, again = deployment(50, paused=True), deployment(150, paused=True)

    assert not Pause().is_observed(requested(Pause(), before, again))


def test_a_rollout_that_goes_on_says_that_it_is_not_paused():
    before = deployment(50, generation=1, paused=True)

    assert Resume().is_observed(requested(Resume(), before, deployment(150)))
    assert not Resume().is_observed(requested(Resume(), before, deployment(150, paused=True)))


def test_an_undo_is_seen_by_the_earlier_template():
    before = deployment(50, "v2", generation=2)

    assert Undo("v1").is_observed(requested(Undo("v1"), before, deployment(150, generation=3)))
    still = deployment(150, "v2", generation=3)
    assert not Undo("v1").is_observed(requested(Undo("v1"), before, still))


def test_an_undo_that_is_refused_has_failed_or_was_predicted_to_be():
    refusal = {"kind": "refused", "t": 150, "what": "undo", "message": "resume it first"}

    assert Undo().failure(requested(Undo(), refusal)) == "resume it first"
    predicted = Undo(refused=True)
    assert predicted.is_observed(requested(predicted, refusal))
    assert predicted.failure(requested(predicted, refusal)) is None


def test_a_predicted_refusal_that_does_not_come_is_not_observed():
    predicted = Undo(refused=True)

    history = requested(predicted, deployment(50), deployment(150, generation=3))

    assert not predicted.is_observed(history)


@pytest.mark.parametrize(
    ("replicas", "before", "now", "seen"),
    [
        (6, 4, 6, True),
        (6, 4, 5, False),
        (2, 4, 2, True),
        (2, 4, 3, True),  # with the surge of a rollout
        (2, 4, 4, False),
        (0, 4, 1, False),
        (0, 4, 0, True),
    ],
)
def test_a_size_is_seen_by_the_number_of_pods(replicas: int, before: int, now: int, *, seen: bool):
    fault = Scale(replicas)
    earlier = deployment(50, generation=1, replicas=before)
    later = deployment(150, replicas=now)

    history = requested(fault, earlier, later, facts={"max_surge": 1})

    assert fault.is_observed(history) is seen


def test_a_strategy_is_seen_when_the_controller_has_it():
    fault = SetStrategy("100%", 0)

    assert fault.is_observed(requested(fault, deployment(50, generation=1), deployment(150)))
    assert not fault.is_observed(requested(fault, deployment(50)))


def test_a_release_that_is_set_while_paused_is_seen_without_a_pod():
    fault = SetImage("v2", makes_pods=False)

    assert fault.is_observed(requested(fault, deployment(150, "v2")))
    assert not SetImage("v2").is_observed(requested(fault, deployment(150, "v2")))


def test_each_has_its_way_back():
    assert recovered(Pause()) == recovered(Resume()) == [("resume",)]
    assert recovered(Undo()) == []
    assert recovered(Scale(6, previous=3)) == [("scale", 3)]
    assert recovered(SetStrategy("100%", 0, previous=(2, 1))) == [("set_strategy", 2, 1)]
    assert injected(SetStrategy("100%", 0)) == [("set_strategy", "100%", 0)]


DYING = Migrate("half-applied", 6, "v2", ("--lock-timeout", "1"), crash="6:2:after")


def test_options_and_the_crash_point_reach_the_program():
    ((_, *told),) = injected(DYING)

    assert told == [
        "half-applied",
        6,
        "v2",
        ("options", ("--lock-timeout", "1", "--crash-at", "6:2:after")),
        ("job", "migrate-half-applied-6"),
    ]


@pytest.mark.parametrize("fault", [DYING, Migrate("t", 6, "v2", may_fail=True)])
@pytest.mark.parametrize("failed", [True, False])
def test_a_job_that_may_fail_is_seen_when_it_has_ended(fault: Migrate, *, failed: bool):
    history = requested(fault, job(150, fault.job, failed=failed))

    assert fault.is_observed(history)
    assert fault.failure(history) is None


def test_a_migration_is_told_from_another_one_and_from_its_own_first_attempt():
    again = Migrate("t", 6, "v2", may_fail=True, attempt=2)
    others = (job(150, "migrate-t-6", failed=True), job(150, "migrate-t-7", failed=True))

    assert not again.is_observed(requested(again, *others))
    assert again.is_observed(requested(again, job(150, "migrate-t-6-try2", failed=True)))
    assert again.name != Migrate("t", 6, "v2", may_fail=True).name
