"""What steps wait for: seen in the history, and never a moment too early."""

from typing import Any

import pytest

from lab.scenario.events import NS
from lab.scenario.history import History
from lab.scenario.timeline import after, ended, gone, quiet, rolled_out, seconds_after

Line = dict[str, Any]


def phase(t: int, name: str) -> Line:
    return {"kind": "phase", "t": t * NS, "name": name}


def due(t: int, name: str, *, injects: bool = False) -> Line:
    told = {"kind": "step", "t": t * NS, "name": name, "what": "due"}
    return {**told, "detail": "", "injects": injects}


def fault(t: int, what: str) -> Line:
    return {"kind": "fault", "t": t * NS, "name": "f", "what": what, "step": "migrate"}


def pod(name: str, release: str) -> Line:
    told = {"type": "ADDED", "ready": True, "restarts": 0}
    return {"kind": "pod", "t": 0, "name": name, "release": release, **told}


def endpoints(t: float, **ready: bool) -> Line:
    there = [{"pod": name, "ready": is_ready} for name, is_ready in ready.items()]
    return {"kind": "endpoints", "t": round(t * NS), "endpoints": there}


def deployment(release: str, **told: int) -> Line:
    counts = {"replicas": 2, "updated": 2, "available": 2, "generation": 2, "observed": 2}
    about = {"kind": "deployment", "t": 0, "name": "chirps", "release": release}
    return {**about, **(counts | told), "conditions": []}


def request(t: float, outcome: str = "ok") -> Line:
    told = {"seq": 1, "stream": "fresh", "endpoint": "page", "sent": 0, "done": round(t * NS)}
    told |= {"outcome": outcome, "status": None, "sqlstate": None, "release": None, "pod": None}
    return {"kind": "request", "t": round(t * NS), **told, "conn": None, "reused": False}


PODS = [pod("a", "v1"), pod("b", "v2"), pod("c", "v2")]


def test_a_phase_is_over_when_the_next_one_began():
    history = History([phase(1, "baseline")])

    assert ended(history, "baseline") is None
    history.add([phase(5, "run")])
    assert ended(history, "baseline") == 5 * NS
    assert ended(history, "run") is None


def test_a_step_without_a_fault_is_over_when_it_was_due():
    assert ended(History([due(3, "wait")]), "wait") == 3 * NS


def test_a_step_with_a_fault_is_over_when_the_effect_was_seen():
    history = History([due(3, "migrate", injects=True)])

    assert ended(history, "migrate") is None
    history.add([fault(3, "requested")])
    assert ended(history, "migrate") is None
    history.add([fault(7, "observed")])
    assert ended(history, "migrate") == 7 * NS


def test_seconds_are_counted_from_the_end_of_a_step():
    condition = seconds_after("wait", 2)
    history = History([due(3, "wait")])

    assert not condition.holds(History(), 100 * NS)
    assert not condition.holds(history, 5 * NS - 1)
    assert condition.holds(history, 5 * NS)
    assert after("wait").holds(history, 3 * NS)


def test_a_rollout_is_complete_when_all_new_and_only_new_pods_serve():
    history = History([*PODS, deployment("v2"), endpoints(1, b=True, c=True)])

    assert rolled_out("v2").holds(history, 0)


@pytest.mark.parametrize(
    "events",
    [
        [],
        [deployment("v2")],
        [*PODS, deployment("v1"), endpoints(1, b=True, c=True)],
        [*PODS, deployment("v2", observed=1), endpoints(1, b=True, c=True)],
        [*PODS, deployment("v2", updated=1), endpoints(1, b=True, c=True)],
        [*PODS, deployment("v2", available=1), endpoints(1, b=True, c=True)],
        [*PODS, deployment("v2", replicas=0, updated=0), endpoints(1, b=True, c=True)],
        [*PODS, deployment("v2"), endpoints(1, a=True, b=True, c=True)],
        [*PODS, deployment("v2"), endpoints(1)],
        [deployment("v2"), endpoints(1, b=True)],
    ],
    ids=[
        "nothing seen",
        "no endpoints",
        "another release",
        "template not seen yet",
        "old pods left",
        "not available",
        "scaled to nothing",
        "an old endpoint",
        "no endpoint is ready",
        "a pod not seen yet",
    ],
)
def test_a_rollout_is_not_complete_before(events: list[Line]):
    assert not rolled_out("v2").holds(History(events), 0)


def test_a_release_is_gone_with_its_last_endpoint_also_of_a_pod_that_terminates():
    history = History([*PODS, endpoints(1, a=True, b=True)])

    assert not gone("v1").holds(history, 0)
    history.add([endpoints(2, a=False, b=True)])
    assert not gone("v1").holds(history, 0)
    history.add([endpoints(3, b=True)])
    assert gone("v1").holds(history, 0)


@pytest.mark.parametrize(
    ("events", "is_quiet"),
    [
        ([request(15)], True),
        ([], False),
        ([request(15), request(16, "reset")], False),
        ([request(5, "reset"), request(15)], True),
        ([request(15), endpoints(16)], False),
        ([request(15), endpoints(5)], True),
        ([request(15), phase(14, "settle")], False),
    ],
    ids=[
        "requests are answered",
        "no traffic",
        "a failure",
        "a failure long ago",
        "endpoints change",
        "endpoints changed long ago",
        "the phase is young",
    ],
)
def test_quiet_needs_answers_and_no_change(events: list[Line], is_quiet: bool):
    history = History([phase(1, "settle"), *events])

    assert quiet(10).holds(history, 20 * NS) is is_quiet


def test_without_a_phase_it_is_not_quiet():
    assert not quiet(10).holds(History([request(15)]), 20 * NS)


@pytest.mark.parametrize(
    "condition", [after("x"), seconds_after("x", 2), rolled_out("v2"), gone("v1"), quiet(3)]
)
def test_each_condition_has_a_bound_and_says_what_it_waits_for(condition: Any):
    assert condition.within_s > 0
    assert condition.sentence
