"""Draining against an API that has a disruption budget: what is told, and when it gives up."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from lab.errors import RequestRefused
from lab.stages import draining
from lab.stages.draining import Draining, is_due
from lab.stages.own_events import OwnEvents

BUDGET = "Cannot evict pod as it would violate the pod's disruption budget."


class Api:
    """Pods of one node; an eviction is answered as `answers` say, then granted."""

    def __init__(self, *pods: str, answers: dict[str, list[int]] | None = None) -> None:
        self.pods = list(pods)
        self.answers = answers or {}
        self.schedulable = True

    def get(self, path: str, **query: str) -> dict[str, Any]:
        assert path == "/api/v1/pods"
        assert query == {"fieldSelector": "spec.nodeName=n4"}
        return {"items": [pod(name) for name in self.pods]}

    def merge(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        assert path == "/api/v1/nodes/n4"
        self.schedulable = not body["spec"]["unschedulable"]
        return {}

    def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        name = body["metadata"]["name"]
        assert path == f"/api/v1/namespaces/chirps/pods/{name}/eviction"
        waiting = self.answers.get(name, [])
        if waiting:
            raise RequestRefused(BUDGET, status=waiting.pop(0))
        self.pods.remove(name)
        return {}


def pod(name: str) -> dict[str, Any]:
    owner = {"kind": "ReplicaSet", "controller": True}
    metadata = {"name": name, "namespace": "chirps", "uid": name, "ownerReferences": [owner]}
    return {"metadata": metadata, "status": {"phase": "Running"}}


@pytest.fixture(autouse=True)
def no_time_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draining, "POLL_S", 0.01)
    monkeypatch.setattr(draining, "AGAIN_AFTER_S", 0.02)


def comes_true(condition: Callable[[], object]) -> bool:
    deadline = time.monotonic() + 20
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


class Drained:
    """A drain that was begun on an API, and all that it told so far."""

    def __init__(self, api: Api, *, timeout_s: float = 20) -> None:
        self.own = OwnEvents(time.monotonic_ns)
        self.draining = Draining(api, "n4", timeout_s, self.own)  # type: ignore[arg-type]
        self.told: list[Any] = []
        self.draining.begin()

    @property
    def whats(self) -> list[str]:
        self.told += self.own.take()
        return [event["what"] for event in self.told if event["kind"] == "drain"]

    @property
    def evictions(self) -> list[tuple[str, int]]:
        self.told += self.own.take()
        return [(e["pod"], e["status"]) for e in self.told if e["kind"] == "eviction"]


def test_a_node_is_cordoned_and_emptied():
    api = Api("a", "b")

    drained = Drained(api)

    assert comes_true(lambda: drained.whats == ["begun", "done"])
    assert drained.evictions == [("a", 201), ("b", 201)]
    assert not api.schedulable


def test_a_refusal_by_the_budget_is_told_and_asked_again():
    drained = Drained(Api("a", answers={"a": [429, 429]}))

    assert comes_true(lambda: drained.whats == ["begun", "done"])
    assert drained.evictions == [("a", 429), ("a", 429), ("a", 201)]
    assert drained.told[1]["message"] == BUDGET


def test_a_budget_that_never_allows_it_makes_the_drain_give_up():
    drained = Drained(Api("a", answers={"a": [429] * 1000}), timeout_s=0.1)

    assert comes_true(lambda: drained.whats == ["begun", "gave up"])
    assert drained.told[-1]["message"] == "not empty after 0.1 s: a"


def test_another_refusal_is_a_failure_of_its_own():
    drained = Drained(Api("a", answers={"a": [403]}))

    assert comes_true(lambda: drained.whats == ["begun", "failed"])


def test_a_drain_that_is_stopped_asks_nothing_any_more():
    drained = Drained(Api("a", answers={"a": [429] * 1000}))
    assert comes_true(lambda: drained.evictions)

    drained.draining.stop()

    assert drained.whats == ["begun", "stopped"]
    asked = len(drained.evictions)
    time.sleep(0.1)
    assert len(drained.evictions) == asked


def test_a_pod_on_its_way_out_is_not_evicted_again():
    leaving = pod("a")
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"

    assert is_due(pod("a"), {}, now=1)
    assert not is_due(leaving, {}, now=1)
    assert not is_due(pod("a"), {"a": 2}, now=1)
