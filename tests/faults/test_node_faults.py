"""Faults on nodes and network: seen by what the cluster, or the sampler, misses."""

from dataclasses import replace
from typing import Any

import pytest

from lab.faults import (
    Ask,
    DeletePod,
    Drain,
    Isolate,
    PowerOff,
    PowerOn,
    Rejoin,
    StartAgent,
    StopAgent,
)
from lab.scenario import mistakes
from lab.scenario.needs import Need
from lab.scenario.stage import Fault
from tests.faults.lines import (
    endpoints,
    injected,
    node,
    recovered,
    requested,
    sample,
    unanswered,
)
from tests.scenario.test_runner import scenario_of

CUT = Isolate("n4")


@pytest.mark.parametrize("fault", [StopAgent("n4"), PowerOff("n4"), CUT], ids=lambda f: f.name)
def test_a_node_is_lost_when_the_cluster_says_that_it_is_not_ready(fault: Fault):
    assert fault.is_observed(requested(fault, node(150, "n4", ready=False)))
    assert not fault.is_observed(requested(fault, node(150, "n4", ready=True)))
    assert not fault.is_observed(requested(fault, node(150, "n3", ready=False)))
    assert not fault.is_observed(requested(fault, node(50, "n4", ready=False)))


@pytest.mark.parametrize("fault", [StartAgent("n4"), PowerOn("n4"), Rejoin("n4")])
def test_a_node_is_back_when_the_last_that_was_heard_is_that_it_is_ready(fault: Fault):
    lost, back = node(120, "n4", ready=False), node(150, "n4", ready=True)

    assert fault.is_observed(requested(fault, lost, back))
    assert not fault.is_observed(requested(fault, back, node(160, "n4", ready=False)))
    assert not fault.is_observed(requested(fault))


def test_a_cut_node_is_missed_when_its_endpoints_are_taken_out():
    before = endpoints(50, ("a", "n3"), ("b", "n4"))

    assert CUT.is_observed(requested(CUT, before, endpoints(150, ("a", "n3"))))
    assert not CUT.is_observed(requested(CUT, before, endpoints(150, ("b", "n4"))))


def test_a_node_without_endpoints_cannot_be_missed_by_them():
    before = endpoints(50, ("a", "n3"))

    assert not CUT.is_observed(requested(CUT, before, endpoints(150)))


def test_a_database_is_cut_off_when_its_sampler_gets_no_answer():
    cut, healed = Isolate("database"), Rejoin("database")

    assert cut.is_observed(requested(cut, unanswered(150)))
    assert not cut.is_observed(requested(cut, sample(150)))
    assert healed.is_observed(requested(healed, sample(150)))
    assert not healed.is_observed(requested(healed, unanswered(150)))


def test_a_pod_is_deleted_when_it_is_on_its_way_out_or_gone():
    fault = DeletePod("n4")
    there = {"kind": "pod", "t": 150, "name": "a", "node": "n4", "type": "MODIFIED"}
    there |= {"release": "v1", "ready": False, "restarts": 0}

    assert fault.is_observed(requested(fault, there | {"terminating": True}))
    assert fault.is_observed(requested(fault, there | {"type": "DELETED"}))
    assert not fault.is_observed(requested(fault, there | {"terminating": False}))
    assert not fault.is_observed(requested(fault, there | {"node": "n5", "terminating": True}))


def drained(what: str, message: str = "") -> dict[str, Any]:
    return {"kind": "drain", "t": 150, "node": "n4", "what": what, "message": message}


def test_draining_is_seen_when_it_has_begun_and_fails_only_by_another_refusal():
    fault = Drain("n4", timeout_s=60)

    assert fault.is_observed(requested(fault, drained("begun")))
    assert not fault.is_observed(requested(fault, drained("begun") | {"node": "n5"}))
    assert fault.failure(requested(fault, drained("gave up"))) is None
    assert fault.failure(requested(fault, drained("failed", "503"))) == "draining n4: 503"


@pytest.mark.parametrize(
    ("fault", "asked", "back"),
    [
        (CUT, ("isolate", "n4"), ("rejoin", "n4", ("wait", True))),
        (Rejoin("n4"), ("rejoin", "n4", ("wait", False)), ("rejoin", "n4", ("wait", True))),
        (StopAgent("n4"), ("stop_agent", "n4"), ("start_agent", "n4", ("wait", True))),
        (PowerOff("n4"), ("power_off", "n4"), ("power_on", "n4", ("wait", True))),
        (DeletePod("n4"), ("delete_pods_on", "n4"), None),
        (Drain("n4"), ("drain", "n4", ("timeout_s", 90)), ("uncordon", "n4")),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_each_asks_one_thing_and_takes_it_back(fault: Fault, asked: Any, back: Any):
    assert injected(fault) == [asked]
    assert recovered(fault) == ([] if back is None else [back])


@pytest.mark.parametrize(
    ("fault", "need"),
    [
        (Isolate("database"), Need.NETWORK),
        (Rejoin("n4"), Need.NETWORK),
        (StopAgent("n4"), Need.NODE_AGENT),
        (StartAgent("n4"), Need.NODE_AGENT),
        (PowerOff("n4"), Need.NODES),
        (PowerOn("n4"), Need.NODES),
        (DeletePod("n4"), Need.NODES),
        (Drain("n4"), Need.EVICTION),
        (Ask(("can-i-contract",)), Need.OPERATOR),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_scenario_has_to_say_what_its_faults_need(fault: Fault, need: Need):
    scenario = scenario_of(fault)  # type: ignore[arg-type]

    told = f"it injects {fault.name!r} and does not say that it needs {need.value!r}"
    assert told in mistakes.find(scenario)
    assert told not in mistakes.find(replace(scenario, needs=(need.value,)))
