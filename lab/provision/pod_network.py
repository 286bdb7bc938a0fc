"""Do pods reach pods on every other node, names, and a service? Asked from inside the cluster.

One pod a node makes the requests; a ClusterIP has to answer on the same node.
"""

import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lab.errors import ClusterError
from lab.kube import apply, manifests
from lab.kube.client import Client
from lab.machines.topology import CLUSTER_DNS, Node
from lab.provision.readiness import Advance
from lab.provision.waiting import Missing, wait, waiting_for

NAMESPACE = "/api/v1/namespaces/kube-system"
PROBE_PORT = 8080
DNS_NAME = "kubernetes.default.svc.cluster.local"


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

    wait(client, apply_probes, waiting_for("the API server", nodes, versions, timeout_s))


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
                findings += judge(node.name, answers, addresses, service)
                advance(number, len(nodes), f"asked from {node.name}")
        return Missing(tuple(findings), between=True, unreached=_unreached(findings))

    wait(client, look, waiting_for("the network", nodes, versions, timeout_s))


def remove_probes(client: Client) -> None:
    _remove_pods(client)
    client.delete(f"{NAMESPACE}/services/lab-probe")


def _remove_pods(client: Client) -> None:
    client.delete(f"{NAMESPACE}/pods", labelSelector="app=lab-probe", gracePeriodSeconds="0")


def judge(
    asker: str, answers: dict[str, Any] | ClusterError, addresses: dict[str, str], service: str
) -> list[str]:
    """Return what `asker`'s pod did not reach, or that nobody could ask it."""
    if isinstance(answers, ClusterError):
        return [f"{asker} cannot be asked what its pods reach: {answers.message}"]
    return judge_answers(asker, answers, addresses, service)


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


def _unreached(findings: Sequence[str]) -> tuple[str, ...]:
    """Return who does not reach what, without the words of the moment."""
    found = (re.match(r"\S+ cannot (reach|resolve) \S+", each) for each in findings)
    return tuple(each.group() for each in found if each)


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


def _ask(client: Client, node_name: str, urls: list[str]) -> dict[str, Any] | ClusterError:
    """Ask a node's pod by way of the API server, which has to reach it for that.

    Where nothing gets through to the pod the request never ends: that is no word against the API,
    which has just listed the pods.
    """
    path = f"{NAMESPACE}/pods/lab-probe-{node_name}:{PROBE_PORT}/proxy/check"
    try:
        content = client.text(path, [*(("url", url) for url in urls), ("dns", _dns_target())])
    except ClusterError as exc:
        return exc
    answers: dict[str, Any] = json.loads(content)
    return answers


def _url(address: str) -> str:
    return f"http://{address}:{PROBE_PORT}/name"


def _dns_target() -> str:
    return f"{DNS_NAME}@{CLUSTER_DNS}"
