"""When is a cluster ready? When everything that a scenario relies on has been seen to work.

Exactly the expected nodes, each Ready by condition type; CoreDNS answering; pods
reaching pods on every other node; a ClusterIP answering on the same node and
across. The last three are asked from inside: one pod a node makes the requests.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from lab.errors import ClusterError, NotReady, RequestRefused
from lab.kube import apply, manifests
from lab.kube import nodes as kube_nodes
from lab.kube.client import Client
from lab.kube.nodes import NodeStatus
from lab.machines.topology import CLUSTER_DNS, Node
from lab.provision.diagnosis import Failure, diagnose, tell

NAMESPACE = "/api/v1/namespaces/kube-system"
PROBE_PORT = 8080
SERVER_ROLE = "control-plane"
DNS_NAME = "kubernetes.default.svc.cluster.local"
_POLL_S = 0.2

Advance = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Missing:
    """What keeps the cluster from being ready, in one line a finding; empty when it is.

    A finding about a node begins with its name. Those `between` nodes may tell something only
    together, as when no node's pods reach those of another.
    """

    findings: tuple[str, ...]
    between: bool = False

    def text(self) -> str:
        return "; ".join(self.findings)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is waited for, and what is known of the nodes, so that a failure can name its cause.

    `names` are of the nodes that count, `servers` of those that are servers, None where nobody
    has said; of `versions`, one is enough.
    """

    what: str
    timeout_s: float
    names: tuple[str, ...] = ()
    servers: tuple[str, ...] | None = None
    versions: tuple[str, ...] = ()

    @property
    def distribution(self) -> str:
        return distribution_of(self.versions)

    def unit(self, name: str) -> str:
        """Return the unit that runs the node's kubelet, or nothing where nobody can say."""
        known = self.servers is not None and name in self.names
        if self.distribution == "k3s" and not known:
            return ""
        return kubelet_unit(self.versions, is_server=name in (self.servers or ()))

    def filled(self, items: Sequence[dict[str, Any]]) -> "Waiting":
        """Return it with what the Node objects tell, where it is not known."""
        found = [kube_nodes.parse(item) for item in items]
        servers = tuple(node.name for node in found if SERVER_ROLE in node.roles)
        return replace(
            self,
            servers=self.servers if self.servers is not None or not found else servers,
            versions=self.versions or tuple(node.version for node in found),
        )


def distribution_of(versions: Sequence[str]) -> str:
    """Return "k3s" or "kubeadm", or nothing where no version is known.

    k3s marks its own: `v1.36.3+k3s1` (docs.k3s.io/release-notes).
    """
    if not versions:
        return ""
    return "k3s" if any("+k3s" in version for version in versions) else "kubeadm"


def kubelet_unit(versions: Sequence[str], *, is_server: bool) -> str:
    """Return the unit that runs a node's kubelet, nothing where no version is known.

    In k3s it is part of the one program, whose unit has another name on agents.
    """
    match distribution_of(versions):
        case "k3s":
            return "k3s" if is_server else "k3s-agent"
        case "kubeadm":
            return "kubelet"
        case _:
            return ""


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
    waiting = _for("the nodes", nodes, versions, timeout_s)

    def look() -> Missing:
        found = kube_nodes.list_nodes(client)
        missing = judge_nodes(expected, found, versions, _servers(nodes))
        ready = sum(node.ready for node in found)
        advance(ready, len(expected), f"{ready}/{len(expected)} nodes Ready")
        return missing

    _wait(client, look, waiting)


def _for(what: str, nodes: Sequence[Node], versions: Sequence[str], timeout_s: float) -> Waiting:
    names = tuple(node.name for node in nodes)
    return Waiting(what, timeout_s, names, tuple(_servers(nodes)), tuple(versions))


def wait_for_version(client: Client, name: str, version: str, *, timeout_s: float) -> None:
    """Return when the node is Ready with a kubelet of that version."""

    def look() -> Missing:
        found = {node.name: node for node in kube_nodes.list_nodes(client)}
        node = found.get(name)
        if node is None or node.version != version:
            return Missing((f"{name} runs {node.version if node else 'nothing'}, not {version}",))
        return Missing(() if node.ready else (_not_ready(node),))

    _wait(client, look, Waiting(name, timeout_s, (name,), None, (version,)))


def apply_coredns(client: Client, coredns_image: str) -> None:
    objects = manifests.render("coredns", coredns_image=coredns_image, cluster_dns=str(CLUSTER_DNS))
    apply.apply_all(client, objects)


def start_probes(
    client: Client,
    nodes: Sequence[Node],
    probe_image: str,
    *,
    timeout_s: float,
    versions: Sequence[str] = (),
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

    _wait(client, apply_probes, _for("the API server", nodes, versions, timeout_s))


def wait_for_network(
    client: Client,
    nodes: Sequence[Node],
    *,
    timeout_s: float,
    advance: Advance,
    versions: Sequence[str] = (),
) -> None:
    """Return when every node's pod reaches all it should; needs `start_probes` before."""

    def look() -> Missing:
        pods = _probe_pods(client)
        addresses = {name: _address(pod) for name, pod in pods.items() if _address(pod)}
        silent = [node.name for node in nodes if node.name not in addresses]
        if silent:
            return Missing(tuple(_without_probe(name, pods.get(name)) for name in silent))
        service = client.get(f"{NAMESPACE}/services/lab-probe")["spec"]["clusterIP"]
        targets = _targets(addresses, service)
        findings: list[str] = []
        # Side by side: one that reaches nothing takes seconds to say so.
        with ThreadPoolExecutor(max_workers=len(nodes)) as pool:
            asked = pool.map(lambda node: _ask(client, node.name, targets), nodes)
            for number, (node, answers) in enumerate(zip(nodes, asked, strict=True), start=1):
                findings += judge_answers(node.name, answers, addresses, service)
                advance(number, len(nodes), f"asked from {node.name}")
        return Missing(tuple(findings), between=True)

    _wait(client, look, _for("the network", nodes, versions, timeout_s))


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


def _probe_pods(client: Client) -> dict[str, dict[str, Any]]:
    """Return node name → its probe pod."""
    pods = client.get(f"{NAMESPACE}/pods", labelSelector="app=lab-probe")["items"]
    return {pod["spec"]["nodeName"]: pod for pod in pods}


def _address(pod: dict[str, Any]) -> str:
    """Return the pod's address, or nothing while it does not run."""
    running = pod["status"].get("phase") == "Running"
    return str(pod["status"].get("podIP", "")) if running else ""


def _without_probe(name: str, pod: dict[str, Any] | None) -> str:
    """Say that the node's pod does not run, and why, in the words of its kubelet."""
    status = pod["status"] if pod else {}
    states = [each.get("state", {}) for each in status.get("containerStatuses", [])]
    waiting = [state["waiting"] for state in states if "waiting" in state]
    said = next(
        (
            ": ".join(filter(None, (each.get("reason"), each.get("message"))))
            for each in (status, *waiting)
            if each.get("reason")
        ),
        "",
    )
    return f"{name} runs no probe pod yet" + (f" ({said.strip()})" if said else "")


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


def _wait(client: Client, look: Callable[[], Missing], waiting: Waiting) -> None:
    """Look until nothing is missing; an API that is briefly away counts as missing."""
    deadline = time.monotonic() + waiting.timeout_s
    while True:
        try:
            missing = look()
        except ClusterError as exc:
            missing = Missing((exc.message,))
        if not missing.findings:
            return
        if time.monotonic() > deadline:
            raise explain(missing, waiting, _node_objects(client))
        time.sleep(_POLL_S)


def _node_objects(client: Client) -> list[dict[str, Any]]:
    """Return what the cluster says of its nodes, nothing when it says nothing any more."""
    with suppress(ClusterError):
        items: list[dict[str, Any]] = client.get("/api/v1/nodes")["items"]
        return items
    return []


def explain(missing: Missing, waiting: Waiting, nodes: Sequence[dict[str, Any]] = ()) -> NotReady:
    """Return the failure: what is missing, with its cause where words tell one.

    `nodes` are the Node objects at the end: their conditions may say what the findings do not.
    """
    waiting = waiting.filled(nodes)
    told = tell(_failures(missing, waiting, nodes), distribution=waiting.distribution)
    title = f"{waiting.what} did not become ready within {waiting.timeout_s:g} s"
    return NotReady(told.below(title), hint=told.remedy or _hint(waiting, told.nodes))


def _failures(missing: Missing, waiting: Waiting, nodes: Sequence[dict[str, Any]]) -> list[Failure]:
    """Put together what was found of one node, and what tells something only together."""
    found, failures = missing.findings, []
    if missing.between and diagnose("\n".join(found), distribution=waiting.distribution):
        failures.append(Failure("", "\n".join(found)))
        found = ()
    by_node: dict[str, list[str]] = {name: [] for name in ("", *waiting.names)}
    for finding in (*found, *_pressures(waiting.names, nodes)):
        name = finding.split(" ", 1)[0]
        by_node[name if name in waiting.names else ""].append(finding)
    return failures + [Failure(name, "\n".join(said)) for name, said in by_node.items() if said]


def _pressures(names: Sequence[str], nodes: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield each condition by which a node says that it lacks something."""
    for item in nodes:
        name = item["metadata"]["name"]
        for each in item["status"].get("conditions", []) if name in names else ():
            if each["type"].endswith("Pressure") and each["status"] == "True":
                yield f"{name} has {each['type']}=True ({each.get('message', '')})"


def _hint(waiting: Waiting, failed: Sequence[str]) -> str:
    """Return whose journal to read: of the first that failed, else of the API's first server."""
    name = next(iter((*failed, *(waiting.servers or waiting.names))), "NODE")
    unit = waiting.unit(name)
    return f"lab status, then lab logs {name}" + (f" --unit {unit}" if unit else "")
