"""What the cluster says about its nodes."""

from dataclasses import dataclass
from typing import Any

from lab.errors import RequestRefused
from lab.kube.client import Client

ROLE_LABEL = "node-role.kubernetes.io/"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One Node object; `reason` and `message` belong to its Ready condition."""

    name: str
    ready: bool
    reason: str
    message: str
    version: str
    roles: tuple[str, ...]
    schedulable: bool


def list_nodes(client: Client) -> list[NodeStatus]:
    items = client.get("/api/v1/nodes")["items"]
    return sorted((parse(item) for item in items), key=lambda node: node.name)


def set_schedulable(client: Client, name: str, *, schedulable: bool) -> None:
    """Let pods be put on the node, or not; a second time changes nothing."""
    client.merge(f"/api/v1/nodes/{name}", {"spec": {"unschedulable": not schedulable}})


def renewed(client: Client, name: str) -> str:
    """Return when the node's agent renewed its lease last, as text; empty when it never did.

    Ready says for a while after an agent is gone that it is there; a lease that is renewed is
    news: https://kubernetes.io/docs/concepts/architecture/leases/#node-heartbeats
    """
    try:
        lease = client.get(f"{LEASES}/{name}")
    except RequestRefused as exc:
        if exc.status == 404:
            return ""
        raise
    return str(lease["spec"].get("renewTime", ""))


def delete(client: Client, name: str) -> None:
    client.delete(f"/api/v1/nodes/{name}")


def parse(item: dict[str, Any]) -> NodeStatus:
    """Read one Node object.

    Ready is looked up by condition type, never by position: the order of
    conditions is not part of the API, and a server may add some of its own.
    """
    conditions = {c["type"]: c for c in item["status"].get("conditions", [])}
    ready = conditions.get("Ready", {"status": "Unknown", "reason": "NoStatusYet"})
    labels = item["metadata"].get("labels", {})
    return NodeStatus(
        name=item["metadata"]["name"],
        ready=ready["status"] == "True",
        reason=ready.get("reason", ""),
        message=ready.get("message", ""),
        version=item["status"].get("nodeInfo", {}).get("kubeletVersion", ""),
        roles=tuple(sorted(k.removeprefix(ROLE_LABEL) for k in labels if k.startswith(ROLE_LABEL))),
        schedulable=not item["spec"].get("unschedulable", False),
    )


def mark(client: Client, name: str, *, labels: dict[str, str], taint: str | None) -> None:
    """Set labels, and a NoSchedule taint of that key; what is there already stays."""
    path = f"/api/v1/nodes/{name}"
    node = client.get(path)
    taints = node["spec"].get("taints", [])
    if taint and not any(each["key"] == taint for each in taints):
        taints = [*taints, {"key": taint, "effect": "NoSchedule"}]
    present = node["metadata"].get("labels", {})
    if taints == node["spec"].get("taints", []) and labels.items() <= present.items():
        return
    client.merge(path, {"metadata": {"labels": labels}, "spec": {"taints": taints}})
