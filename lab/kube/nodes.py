"""What the cluster says about its nodes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lab.errors import RequestRefused
from lab.kube.client import Client

ROLE_LABEL = "node-role.kubernetes.io/"
# The label of a server, and the key of the taint that keeps one free.
CONTROL_PLANE = f"{ROLE_LABEL}control-plane"
# k3s, pkg/etcd/etcd.go.
VOTES = "EtcdIsVoter"
CONFLICT = 409
CONFLICTS = 5
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One Node object; `reason` and `message` belong to its Ready condition.

    `votes` is whether it votes in etcd, None where the Node does not say: servers of k3s do.
    """

    name: str
    ready: bool
    reason: str
    message: str
    version: str
    roles: tuple[str, ...]
    schedulable: bool
    votes: bool | None = None


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
        votes=conditions[VOTES]["status"] == "True" if VOTES in conditions else None,
    )


def mark(
    client: Client,
    name: str,
    *,
    labels: Mapping[str, str | None],
    taints: Mapping[str, bool],
) -> None:
    """Set labels, or take those away that are None; have NoSchedule taints of these keys or not.

    Other labels and taints stay. Others change taints too, and a patch replaces their list: so it
    counts only for the Node that was read (kubernetes.io/docs/reference/using-api/api-concepts,
    *Resource versions*).
    """
    for tried in range(CONFLICTS):
        try:
            _mark(client, name, labels, taints)
        except RequestRefused as exc:
            if exc.status != CONFLICT or tried == CONFLICTS - 1:
                raise
        else:
            return


def _mark(
    client: Client, name: str, labels: Mapping[str, str | None], taints: Mapping[str, bool]
) -> None:
    path = f"/api/v1/nodes/{name}"
    node = client.get(path)
    present = node["spec"].get("taints", [])
    wanted = _with_taints(present, taints)
    known = node["metadata"].get("labels", {})
    if wanted == present and all(known.get(key) == value for key, value in labels.items()):
        return
    version = node["metadata"].get("resourceVersion")
    metadata = {"labels": dict(labels), "resourceVersion": version}
    client.merge(path, {"metadata": metadata, "spec": {"taints": wanted}})


def _with_taints(present: list[dict[str, Any]], wanted: Mapping[str, bool]) -> list[dict[str, Any]]:
    kept = [
        each
        for each in present
        if wanted.get(each["key"], True) or each.get("effect") != "NoSchedule"
    ]
    keys = {each["key"] for each in kept if each.get("effect") == "NoSchedule"}
    new = [key for key, is_wanted in wanted.items() if is_wanted and key not in keys]
    return [*kept, *({"key": key, "effect": "NoSchedule"} for key in new)]
