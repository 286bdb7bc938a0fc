"""When is a cluster ready? When everything that a scenario relies on has been seen to work.

Exactly the expected nodes, each Ready by condition type; CoreDNS answering; and the network of
pods, which `lab.provision.pod_network` asks from inside.
"""

from collections.abc import Callable, Sequence

from lab.kube import apply, manifests
from lab.kube import nodes as kube_nodes
from lab.kube.client import Client
from lab.kube.nodes import NodeStatus
from lab.machines.topology import CLUSTER_DNS, Node
from lab.provision.waiting import SERVER_ROLE, Missing, Waiting, servers_of, wait, waiting_for

Advance = Callable[[int, int, str], None]


def judge_nodes(
    expected: Sequence[str],
    found: Sequence[NodeStatus],
    versions: Sequence[str],
    servers: Sequence[str] = (),
) -> Missing:
    """Compare by name: all of the expected, Ready, in their roles, and no other.

    Each of one of `versions`: in the midst of an upgrade there are two.
    """
    by_name = {node.name: node for node in found}
    findings = [f"{name} has not joined" for name in expected if name not in by_name]
    findings += [
        f"{name} is in the cluster but not in the lab" for name in by_name if name not in expected
    ]
    for name in expected:
        node = by_name.get(name)
        if node and not node.ready:
            findings.append(_not_ready(node))
        if node and node.version not in versions:
            findings.append(f"{name} runs {node.version}, not {' or '.join(versions)}")
        if node and (SERVER_ROLE in node.roles) != (name in servers):
            should = "is not a server" if name in servers else "is a server and should be none"
            findings.append(f"{name} {should}")
    return Missing(tuple(findings))


def _not_ready(node: NodeStatus) -> str:
    said = f": {node.message}" if node.message else ""
    return f"{node.name} is not Ready ({node.reason}{said})"


def judge_cluster(client: Client, nodes: Sequence[Node], versions: Sequence[str]) -> Missing:
    """Compare what the API knows: nodes and CoreDNS; makes no request inside the cluster."""
    expected = [node.name for node in nodes]
    missing = judge_nodes(expected, kube_nodes.list_nodes(client), versions, servers_of(nodes))
    coredns = client.get("/apis/apps/v1/namespaces/kube-system/deployments/coredns")
    if not coredns["status"].get("availableReplicas"):
        return Missing((*missing.findings, "CoreDNS is not available"))
    return missing


def wait_for_nodes(
    client: Client,
    nodes: Sequence[Node],
    versions: Sequence[str],
    *,
    timeout_s: float,
    advance: Advance,
) -> None:
    expected = [node.name for node in nodes]
    waiting = waiting_for("the nodes", nodes, versions, timeout_s)

    def look() -> Missing:
        found = kube_nodes.list_nodes(client)
        missing = judge_nodes(expected, found, versions, servers_of(nodes))
        ready = sum(node.ready for node in found)
        advance(ready, len(expected), f"{ready}/{len(expected)} nodes Ready")
        return missing

    wait(client, look, waiting)


def wait_for_version(client: Client, name: str, version: str, *, timeout_s: float) -> None:
    """Return when the node is Ready with a kubelet of that version."""

    def look() -> Missing:
        found = {node.name: node for node in kube_nodes.list_nodes(client)}
        node = found.get(name)
        if node is None or node.version != version:
            return Missing((f"{name} runs {node.version if node else 'nothing'}, not {version}",))
        return Missing(() if node.ready else (_not_ready(node),))

    wait(client, look, Waiting(name, timeout_s, (name,), None, (version,)))


def apply_coredns(client: Client, coredns_image: str) -> None:
    objects = manifests.render("coredns", coredns_image=coredns_image, cluster_dns=str(CLUSTER_DNS))
    apply.apply_all(client, objects)
