"""What objects of the cluster become as lines."""

from typing import Any

import pytest

from lab.observer.watch import describe
from lab.observer.watch.trackers import Endpoints, Events, Objects


def of_pod(**status: Any) -> dict[str, Any]:
    return describe.pod(
        {
            "metadata": {
                "name": "chirps-1",
                "uid": "u1",
                "labels": {
                    "app.kubernetes.io/name": "chirps",
                    "app.kubernetes.io/version": "v1",
                },
            },
            "spec": {"nodeName": "n3"},
            "status": status,
        }
    )


def container(restarts: int = 0, **states: Any) -> dict[str, Any]:
    return {"restartCount": restarts, **states}


def test_a_pod_that_serves() -> None:
    ready = {"type": "Ready", "status": "True"}

    assert of_pod(
        phase="Running",
        conditions=[{"type": "Initialized", "status": "False"}, ready],
        containerStatuses=[container(1, state={"running": {}}), container(2)],
    ) == {
        "name": "chirps-1",
        "uid": "u1",
        "app": "chirps",
        "release": "v1",
        "node": "n3",
        "phase": "Running",
        "ready": True,
        "terminating": False,
        "restarts": 3,
        "reason": None,
    }


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ({"containerStatuses": [container(state={"waiting": {"reason": "ErrImageNeverPull"}})]},
         "ErrImageNeverPull"),
        ({"containerStatuses": [container(
            state={"waiting": {"reason": "CrashLoopBackOff"}},
            lastState={"terminated": {"reason": "Error"}})]},
         "CrashLoopBackOff"),
        ({"containerStatuses": [container(
            state={"running": {}}, lastState={"terminated": {"reason": "OOMKilled"}})]},
         "OOMKilled"),
        ({"containerStatuses": [container(state={"terminated": {"reason": "Completed"}})]},
         "Completed"),
        ({"reason": "Evicted"}, "Evicted"),
        ({}, None),
    ],
)  # fmt: skip
def test_why_a_pod_does_not_serve(status: dict[str, Any], reason: str | None) -> None:
    assert of_pod(**status)["reason"] == reason


def test_a_pod_that_is_new_or_going() -> None:
    new = describe.pod({"metadata": {"name": "a", "uid": "u"}})
    going = describe.pod(
        {"metadata": {"name": "a", "uid": "u", "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    )

    assert (new["node"], new["phase"], new["ready"], new["app"]) == (None, None, False, None)
    assert going["terminating"] is True


def test_a_deployment_and_its_replicasets() -> None:
    template = {"metadata": {"labels": {"app.kubernetes.io/version": "v2"}}}
    condition = {
        "type": "Progressing",
        "status": "False",
        "reason": "ProgressDeadlineExceeded",
        "message": "too slow",
    }

    assert describe.deployment(
        {
            "metadata": {"name": "chirps", "generation": 3},
            "spec": {"template": template},
            "status": {
                "observedGeneration": 2,
                "replicas": 5,
                "updatedReplicas": 2,
                "readyReplicas": 3,
                "availableReplicas": 3,
                "unavailableReplicas": 2,
                "conditions": [{**condition, "lastUpdateTime": "x"}],
            },
        }
    ) == {
        "name": "chirps",
        "release": "v2",
        "replicas": 5,
        "updated": 2,
        "ready": 3,
        "available": 3,
        "unavailable": 2,
        "generation": 3,
        "observed": 2,
        "paused": False,
        "conditions": [condition],
    }
    assert describe.replicaset(
        {
            "metadata": {"name": "chirps-abc"},
            "spec": {"template": template},
            "status": {"replicas": 1},
        }
    ) == {"name": "chirps-abc", "release": "v2", "replicas": 1, "ready": 0, "available": 0}


def test_a_node_with_taints() -> None:
    found = {
        "metadata": {"name": "n3"},
        "spec": {
            "taints": [
                {"key": "role", "value": "data", "effect": "NoSchedule"},
                {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"},
            ]
        },
        "status": {
            "conditions": [{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}]
        },
    }

    assert describe.node(found) == {
        "name": "n3",
        "ready": False,
        "reason": "NodeStatusUnknown",
        "taints": ["role=data:NoSchedule", "node.kubernetes.io/unreachable:NoExecute"],
    }


def test_a_job() -> None:
    assert describe.job({"metadata": {"name": "migrate"}, "status": {"failed": 2}}) == {
        "name": "migrate",
        "active": 0,
        "succeeded": 0,
        "failed": 2,
        "conditions": [],
    }


def endpoint_slice(uid: str, *pods: str, **conditions: bool) -> dict[str, Any]:
    return {
        "metadata": {"name": uid, "uid": uid},
        "endpoints": [
            {
                "addresses": [f"10.0.0.{number}"],
                "nodeName": "n3",
                "targetRef": {"kind": "Pod", "name": name},
                "conditions": conditions,
            }
            for number, name in enumerate(pods)
        ],
    }


def test_endpoints_are_those_of_all_slices() -> None:
    tracker = Endpoints("chirps")
    ready = {"ready": True, "serving": True, "terminating": False}

    (first,) = tracker.listed([endpoint_slice("s1", "a", **ready)])
    (second,) = tracker.changed("ADDED", endpoint_slice("s2", "b", **ready))
    unchanged = tracker.changed("MODIFIED", endpoint_slice("s2", "b", **ready))
    (third,) = tracker.changed("DELETED", endpoint_slice("s1"))

    assert first == {
        "kind": "endpoints",
        "service": "chirps",
        "endpoints": [{"pod": "a", "address": "10.0.0.0", "node": "n3", **ready}],
    }
    assert [each["pod"] for each in second["endpoints"]] == ["a", "b"]
    assert unchanged == []
    assert [each["pod"] for each in third["endpoints"]] == ["b"]


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, (True, True, False)),
        ({"ready": False, "serving": True, "terminating": True}, (False, True, True)),
        ({"ready": False}, (False, False, False)),
    ],
)
def test_conditions_that_are_not_there_mean_what_the_api_says(
    conditions: dict[str, bool], expected: tuple[bool, bool, bool]
) -> None:
    (found,) = describe.endpoints(endpoint_slice("s1", "a", **conditions))

    assert (found["ready"], found["serving"], found["terminating"]) == expected


def test_a_service_without_endpoints_says_so() -> None:
    assert Endpoints("chirps").listed([]) == [
        {"kind": "endpoints", "service": "chirps", "endpoints": []}
    ]
    assert describe.endpoints({"metadata": {"name": "s"}, "endpoints": None}) == []


def happened(uid: str, version: str, count: int | None = None, **more: Any) -> dict[str, Any]:
    return {
        "metadata": {"uid": uid, "resourceVersion": version},
        "type": "Warning",
        "reason": "BackOff",
        "message": "back-off restarting",
        "involvedObject": {"kind": "Pod", "name": "chirps-1"},
        "count": count,
        **more,
    }


def test_events_of_before_the_run_are_left_out() -> None:
    tracker = Events()

    assert tracker.listed([happened("u1", "1", 5)]) == []
    assert tracker.changed("ADDED", happened("u1", "1", 5)) == []
    assert tracker.changed("DELETED", happened("u1", "9", 5)) == []
    assert tracker.changed("MODIFIED", happened("u1", "2", 6)) == [
        {
            "kind": "event",
            "type": "Warning",
            "reason": "BackOff",
            "object": "Pod/chirps-1",
            "message": "back-off restarting",
            "count": 6,
        }
    ]


def test_events_of_a_gap_are_told_when_it_ends() -> None:
    tracker = Events()
    tracker.listed([happened("u1", "1")])

    lines = tracker.listed([happened("u1", "1"), happened("u2", "2", series={"count": 4})])

    assert [line["count"] for line in lines] == [4]


def test_an_object_that_is_gone_says_so() -> None:
    tracker = Objects("node", describe.node)
    node = {"metadata": {"name": "n3", "uid": "u3"}}

    (here,) = tracker.changed("ADDED", node)
    (gone,) = tracker.changed("DELETED", node)
    (back,) = tracker.changed("ADDED", node)

    assert (here["deleted"], gone["deleted"], back["deleted"]) == (False, True, False)
    assert "type" not in here
