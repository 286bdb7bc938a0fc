"""How is a lab, seen from the host and from its cluster?"""

from contextlib import suppress
from dataclasses import dataclass, replace

from lab.errors import ClusterError, LabError
from lab.kube import nodes as kube_nodes
from lab.kube.nodes import NodeStatus
from lab.lifecycle import publish
from lab.lifecycle import record as records
from lab.lifecycle.lab import Lab
from lab.machines.topology import Node
from lab.paths import Paths


@dataclass(frozen=True, slots=True)
class NodeLine:
    """One node; `ready` is None when the cluster could not be asked about it."""

    name: str
    role: str
    address: str
    running: bool
    ready: bool | None
    reason: str
    version: str


@dataclass(frozen=True, slots=True)
class Status:
    """`state` is one of: up, degraded, stopped, incomplete."""

    name: str
    state: str
    distribution: str
    version: str
    api: str
    service: str
    kubeconfig: str
    nodes: tuple[NodeLine, ...]
    problem: str


def status(paths: Paths, name: str) -> Status:
    lab = Lab.load(paths, name)
    running = lab.machines.running(lab.record.nodes)
    found, problem = _ask_cluster(lab) if running else ({}, "")
    off = "cannot be reached" if lab.record.hosts else "powered off"
    addresses = _addresses(lab)
    lines = tuple(
        replace(
            _line(node, node.name in running, found.get(node.name), off=off),
            address=addresses.get(node.name, node.address),
        )
        for node in lab.record.nodes
    )
    return Status(
        name=name,
        state=judge(lines, complete=lab.record.is_complete, own=not lab.record.hosts),
        distribution=lab.record.distribution,
        version=lab.record.version,
        api=lab.api_urls()[0] if publish.is_published(lab) else "",
        service=f"http://127.0.0.1:{lab.record.service_port}"
        if publish.is_published(lab, publish.SERVICE)
        else "",
        kubeconfig=str(lab.kubeconfig),
        nodes=lines,
        problem=problem,
    )


def judge(lines: tuple[NodeLine, ...], *, complete: bool, own: bool = True) -> str:
    """Name the state of a lab from the state of its nodes; `own` says that lab made them.

    Of others nobody knows that they were stopped.
    """
    if not complete:
        return "incomplete"
    if own and not any(line.running for line in lines):
        return "stopped"
    return "up" if all(line.running and line.ready for line in lines) else "degraded"


def list_all(paths: Paths) -> list[tuple[str, str, int]]:
    """Return name, state and number of nodes of each lab; asks no cluster.

    One whose record cannot be read is shown as damaged: it must not hide the others.
    """
    return [(name, *_brief(paths, name)) for name in records.names(paths)]


def _brief(paths: Paths, name: str) -> tuple[str, int]:
    if not (paths.lab(name) / records.FILE).exists():
        return "incomplete", 0
    try:
        lab = Lab.load(paths, name)
    except LabError:
        return "damaged", 0
    if not lab.record.is_complete:
        return "incomplete", lab.record.node_count
    if lab.record.hosts:
        # Nobody is asked for a list, and lab has no power over them.
        return "hosts", lab.record.node_count
    running = lab.machines.running(lab.record.nodes)
    return "running" if running else "stopped", lab.record.node_count


def _addresses(lab: Lab) -> dict[str, str]:
    """Return the addresses that Docker gave, by the name of the node; of other labs none."""
    if lab.record.kind:
        with suppress(LabError):
            return lab.record.kind.addresses(lab.record.nodes)
        return dict.fromkeys((node.name for node in lab.record.nodes), "")
    return {}


def _ask_cluster(lab: Lab) -> tuple[dict[str, NodeStatus], str]:
    try:
        client = lab.connect(timeout_s=3)
        return {node.name: node for node in kube_nodes.list_nodes(client)}, ""
    except ClusterError as exc:
        return {}, exc.message


def _line(node: Node, running: bool, found: NodeStatus | None, *, off: str) -> NodeLine:
    return NodeLine(
        name=node.name,
        role="server" if node.is_server else "agent",
        address=node.address,
        running=running,
        ready=found.ready if found else None,
        reason=found.reason if found else ("unknown" if running else off),
        version=found.version if found else "",
    )
