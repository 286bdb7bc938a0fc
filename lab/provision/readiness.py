"""When is a cluster ready? When everything that a scenario relies on has been seen to work.

Exactly the expected nodes, each Ready by condition type; CoreDNS answering; pods
reaching pods on every other node; a ClusterIP answering on the same node and
across. The last three are asked from inside: one pod a node makes the requests.
"""

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from lab.errors import ClusterError, NotReady, RequestRefused
from lab.kube import apply, manifests
from lab.kube import nodes as kube_nodes
from lab.kube.client import Client
from lab.kube.nodes import NodeStatus
from lab.machines.topology import CLUSTER_DNS, Node

NAMESPACE = "/api/v1/namespaces/kube-system"
PROBE_PORT = 8080
SERVER_ROLE = "control-plane"
DNS_NAME = "kubernetes.default.svc.cluster.local"
_POLL_S = 0.2

Advance = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Missing:
    """What keeps the cluster from being ready, in one line a finding; empty when it is."""

    findings: tuple[str, ...]

    def text(self) -> str:
        return "; ".join(self.findings)


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
            said = f": {node.message}" if node.message else ""
            findings.append(f"{name} is not Ready ({node.reason}{said})")
        if node and node.version not in versions:
            findings.append(f"{name} runs {node.version}, not {' or '.join(versions)}")
        if node and (SERVER_ROLE in node.roles) != (name in servers):
            should = "is not a server" if name in servers else "is a server and should be none"
            findings.append(f"{name} {should}")
    return Missing(tuple(findings))


def judge_cluster(client: Client, nodes: Sequence[Node], versions: Sequence[str]) -> Missing:
    """Compare what the API knows: nodes and CoreDNS; makes no request inside the cluster."""
    expected = [node.name for node in nodes]
    missing = judge_nodes(expected, kube_nodes.list_nodes(client), versions, _servers(nodes))
    coredns = client.get("/apis/apps/v1/namespaces/kube-system/deployments/coredns")
    if not coredns["status"].get("availableReplicas"):
        return Missing((*missing.findings, "CoreDNS is not available"))
    return missing


def _servers(nodes: Sequence[Node]) -> list[str]:
    return [node.name for node in nodes if node.is_server]


def wait_for_nodes(
    client: Client,
    nodes: Sequence[Node],
    versions: Sequence[str],
    *,
    timeout_s: float,
    advance: Advance,
) -> None:
    expected = [node.name for node in nodes]

    def look() -> Missing:
        found = kube_nodes.list_nodes(client)
        missing = judge_nodes(expected, found, versions, _servers(nodes))
        ready = sum(node.ready for node in found)
        advance(ready, len(expected), f"{ready}/{len(expected)} nodes Ready")
        return missing

    _wait(look, "the nodes", timeout_s)


def wait_for_version(client: Client, name: str, version: str, *, timeout_s: float) -> None:
    """Return when the node is Ready with a kubelet of that version."""

    def look() -> Missing:
        found = {node.name: node for node in kube_nodes.list_nodes(client)}
        node = found.get(name)
        if node is None or node.version != version:
            return Missing((f"{name} runs {node.version if node else 'nothing'}, not {version}",))
        return Missing(() if node.ready else (f"{name} is not Ready ({node.reason})",))

    _wait(look, name, timeout_s)


def apply_coredns(client: Client, coredns_image: str) -> None:
    objects = manifests.render("coredns", coredns_image=coredns_image, cluster_dns=str(CLUSTER_DNS))
    apply.apply_all(client, objects)


def start_probes(
    client: Client, nodes: Sequence[Node], probe_image: str, *, timeout_s: float
) -> None:
    """Create one pod on each node that can ask the others, and the service in front of them.

    An API server that has just started refuses some requests, so refusals are tried again.
    Pods that a check left which was cut short may have ended with their node: they go first.
    """
    rendered = [
        item
        for node in nodes
        for item in manifests.render("probe", node_name=node.name, probe_image=probe_image)
    ]
    # The service is the same for all nodes, so it is put there once.
    objects = {apply.path_of(item): item for item in rendered}

    def apply_probes() -> Missing:
        _remove_pods(client)
        apply.apply_all(client, objects.values())
        return Missing(())

    _wait(apply_probes, "the API server", timeout_s)


def wait_for_network(
    client: Client, nodes: Sequence[Node], *, timeout_s: float, advance: Advance
) -> None:
    """Return when every node's pod reaches all it should; needs `start_probes` before."""

    def look() -> Missing:
        addresses = _probe_addresses(client)
        waiting = [node.name for node in nodes if not addresses.get(node.name)]
        if waiting:
            return Missing(tuple(f"no probe pod runs on {name} yet" for name in waiting))
        service = client.get(f"{NAMESPACE}/services/lab-probe")["spec"]["clusterIP"]
        targets = _targets(addresses, service)
        findings: list[str] = []
        # Side by side: one that reaches nothing takes seconds to say so.
        with ThreadPoolExecutor(max_workers=len(nodes)) as pool:
            asked = pool.map(lambda node: _ask(client, node.name, targets), nodes)
            for number, (node, answers) in enumerate(zip(nodes, asked, strict=True), start=1):
                findings += judge_answers(node.name, answers, addresses, service)
                advance(number, len(nodes), f"asked from {node.name}")
        return Missing(tuple(findings))

    _wait(look, "the network", timeout_s)


def remove_probes(client: Client) -> None:
    _remove_pods(client)
    client.delete(f"{NAMESPACE}/services/lab-probe")


def _remove_pods(client: Client) -> None:
    client.delete(f"{NAMESPACE}/pods", labelSelector="app=lab-probe", gracePeriodSeconds="0")


def judge_answers(
    asker: str, answers: dict[str, Any], addresses: dict[str, str], service: str
) -> list[str]:
    """Return what `asker`'s pod did not reach, or reached in the wrong place."""
    findings = []
    expected = {_url(address): name for name, address in addresses.items()}
    # The service sends to pods of the asker's own node only, so the answer is its name.
    expected[_url(service)] = asker
    for url, name in expected.items():
        answer = answers.get(url, {"ok": False, "error": "not asked"})
        if not answer["ok"]:
            findings.append(f"{asker} cannot reach {url} ({name}): {answer['error']}")
        elif answer["answer"].strip() != name:
            findings.append(f"{asker} asked {url} for {name} and got {answer['answer'].strip()!r}")
    dns = answers.get(_dns_target(), {"ok": False, "error": "not asked"})
    if not dns["ok"]:
        findings.append(f"{asker} cannot resolve {DNS_NAME} at {CLUSTER_DNS}: {dns['error']}")
    return findings


def _probe_addresses(client: Client) -> dict[str, str]:
    """Return node name → address of its probe pod, for those that run."""
    pods = client.get(f"{NAMESPACE}/pods", labelSelector="app=lab-probe")["items"]
    return {
        pod["spec"]["nodeName"]: pod["status"].get("podIP", "")
        for pod in pods
        if pod["status"].get("phase") == "Running"
    }


def _targets(addresses: dict[str, str], service: str) -> list[str]:
    return [_url(address) for address in (*addresses.values(), service)]


def _ask(client: Client, node_name: str, urls: list[str]) -> dict[str, Any]:
    path = f"{NAMESPACE}/pods/lab-probe-{node_name}:{PROBE_PORT}/proxy/check"
    try:
        content = client.text(path, [*(("url", url) for url in urls), ("dns", _dns_target())])
    except RequestRefused as exc:
        return {url: {"ok": False, "error": exc.message} for url in urls}
    answers: dict[str, Any] = json.loads(content)
    return answers


def _url(address: str) -> str:
    return f"http://{address}:{PROBE_PORT}/name"


def _dns_target() -> str:
    return f"{DNS_NAME}@{CLUSTER_DNS}"


def _wait(look: Callable[[], Missing], what: str, timeout_s: float) -> None:
    """Look until nothing is missing; an API that is briefly away counts as missing."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            missing = look()
        except ClusterError as exc:
            missing = Missing((exc.message,))
        if not missing.findings:
            return
        if time.monotonic() > deadline:
            raise NotReady(
                f"{what} did not become ready within {timeout_s:g} s: {missing.text()}",
                hint="lab status, then lab logs NODE --unit kubelet",
            )
        time.sleep(_POLL_S)
