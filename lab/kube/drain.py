"""Empty a node as `kubectl drain` does: cordon it, then evict what can run elsewhere.

Evictions respect disruption budgets; pods of DaemonSets and static pods stay, because their
controllers would put them back at once (kubernetes.io/docs/tasks/administer-cluster/
safely-drain-node).
"""

import time
from dataclasses import dataclass
from typing import Any

from lab.errors import NotReady, RequestRefused
from lab.kube import nodes
from lab.kube.client import Client

POLL_S = 0.5
CREATED = 201
TOO_MANY_REQUESTS = 429
NOT_FOUND = 404
STAYING = ("DaemonSet", "Node")


def pods_on(client: Client, node: str) -> list[dict[str, Any]]:
    """Return the node's pods that draining must move, those that ended left out."""
    found = client.get("/api/v1/pods", fieldSelector=f"spec.nodeName={node}")["items"]
    return [pod for pod in found if _must_move(pod)]


def bound_to_node(pods: list[dict[str, Any]]) -> list[str]:
    """Return namespace/name of pods that would lose something: no controller, or a stateful one."""
    return [
        f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        for pod in pods
        if _owner(pod) in ("", "StatefulSet")
    ]


def cordon(client: Client, node: str) -> None:
    nodes.set_schedulable(client, node, schedulable=False)


def drain(client: Client, node: str, *, timeout_s: float) -> None:
    """Return when nothing that can move is left; raise NotReady with what is, after the bound."""
    cordon(client, node)
    deadline = time.monotonic() + timeout_s
    while pods := pods_on(client, node):
        if time.monotonic() > deadline:
            names = ", ".join(pod["metadata"]["name"] for pod in pods)
            raise NotReady(
                f"{node} was not empty within {timeout_s:g} s: {names}",
                hint="lab kubectl get pods -A -o wide, or lab node remove --force",
            )
        for pod in pods:
            if not pod["metadata"].get("deletionTimestamp"):
                evict(client, pod)
        time.sleep(POLL_S)


@dataclass(frozen=True, slots=True)
class Eviction:
    """What the API server answered to one: its status, and its words where it refused."""

    status: int
    message: str = ""


def evict(client: Client, pod: dict[str, Any]) -> Eviction:
    """Ask for an eviction; a budget that forbids it now, or a pod that is gone, is no failure."""
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": namespace},
    }
    try:
        client.create(f"/api/v1/namespaces/{namespace}/pods/{name}/eviction", body)
    except RequestRefused as exc:
        if exc.status not in (TOO_MANY_REQUESTS, NOT_FOUND):
            raise
        return Eviction(exc.status, exc.message)
    return Eviction(CREATED)


def forget_pods(client: Client, node: str) -> None:
    """Delete at once what was bound to a node that is gone for good: nothing of it runs.

    The cluster would do so by itself only after a minute (pkg/controller/podgc), and a new node
    of that name would be told to run it.
    """
    found = client.get("/api/v1/pods", fieldSelector=f"spec.nodeName={node}")["items"]
    for pod in found:
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        client.delete(f"/api/v1/namespaces/{namespace}/pods/{name}", gracePeriodSeconds="0")


def _must_move(pod: dict[str, Any]) -> bool:
    ended = pod["status"].get("phase") in ("Succeeded", "Failed")
    return not ended and _owner(pod) not in STAYING


def _owner(pod: dict[str, Any]) -> str:
    """Return the kind of the pod's controller; a static pod is owned by its Node."""
    owners = pod["metadata"].get("ownerReferences", [])
    return next((owner["kind"] for owner in owners if owner.get("controller")), "")
