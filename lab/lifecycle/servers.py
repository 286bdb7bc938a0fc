"""Which server is asked, and joined through? Derived from the cluster, not from who came first.

Any server will do that runs, is Ready and votes in etcd; the record's order only decides among
several of them. So a first server that is gone, or was made anew on an empty disk, is a node like
any other: it joins, and never founds a second cluster (docs.k3s.io/datastore/ha-embedded).
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from lab.errors import ClusterError, LabError, NotReady
from lab.kube import nodes as kube_nodes
from lab.kube.nodes import NodeStatus
from lab.lifecycle import etcd
from lab.lifecycle.lab import Lab
from lab.lifecycle.record import Record
from lab.machines.topology import Node

POLL_S = 0.5
ASK_S = 3.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of one server; `ready` is None where the API could not be asked."""

    running: bool
    ready: bool | None
    votes: bool

    @property
    def problem(self) -> str:
        """Return why it cannot be asked, empty when it can."""
        if not self.running:
            return "does not run"
        if self.ready is False:
            return "is not Ready"
        return "" if self.votes else "does not vote in etcd"


def founder(record: Record) -> Node | None:
    """Return the server that has to make the cluster, None as soon as a server is part of one."""
    return None if joined(record) else record.server_nodes[0]


def joined(record: Record) -> tuple[Node, ...]:
    """Return the servers that are known to be part of the cluster."""
    return tuple(node for node in record.server_nodes if node.name in record.joined)


def others_running(lab: Lab, node: Node) -> list[Node]:
    """Return the servers besides `node` that can be asked; raise LabError without any."""
    others = [each for each in joined(lab.record) if each != node]
    running = lab.machines.running(others)
    if not running:
        names = ", ".join(each.name for each in others)
        raise LabError(
            f"without {node.name} there is no server left: "
            + (f"of {names} none can be asked" if names else "no other has joined yet"),
            hint=f"lab up --name {lab.record.name}, or lab down --name {lab.record.name}",
        )
    return [each for each in others if each.name in running]


def pick(servers: Iterable[Node], seen: Mapping[str, Seen]) -> Node | None:
    """Return the first that can be asked."""
    return next((node for node in servers if not seen[node.name].problem), None)


def find(lab: Lab, *, within_s: float) -> Node:
    """Return the server to ask; waits for one, since they may have booted a moment ago.

    Raises NotReady with what is wrong with each of them.
    """
    servers = joined(lab.record)
    if len(servers) == 1:
        # No choice, and perhaps no etcd: one server of k3s keeps its data without.
        return servers[0]
    deadline = time.monotonic() + within_s
    while True:
        seen = look(lab, servers)
        if found := pick(servers, seen):
            return found
        if time.monotonic() > deadline:
            raise _nobody(servers, seen, within_s)
        time.sleep(POLL_S)


def _nobody(servers: Sequence[Node], seen: Mapping[str, Seen], within_s: float) -> NotReady:
    told = ", ".join(f"{node.name} {seen[node.name].problem}" for node in servers)
    return NotReady(
        f"no server could be asked within {within_s:g} s: {told}",
        hint=f"lab status, then lab logs {servers[0].name}",
    )


def look(lab: Lab, servers: Sequence[Node]) -> dict[str, Seen]:
    """Look at servers, by name."""
    running = lab.machines.running(servers)
    found = _statuses(lab)
    votes = _voters(lab, [node for node in servers if node.name in running], found)
    return {
        node.name: Seen(node.name in running, _is_ready(node, found), node.name in votes)
        for node in servers
    }


def _statuses(lab: Lab) -> dict[str, NodeStatus] | None:
    """Return what the cluster says of its nodes, None where it cannot be asked now."""
    with suppress(ClusterError):
        client = lab.connect(timeout_s=ASK_S)
        return {node.name: node for node in kube_nodes.list_nodes(client)}
    return None


def _is_ready(node: Node, found: Mapping[str, NodeStatus] | None) -> bool | None:
    if found is None:
        return None
    return node.name in found and found[node.name].ready


def _voters(
    lab: Lab, running: Sequence[Node], found: Mapping[str, NodeStatus] | None
) -> frozenset[str]:
    """Return who votes: a server of k3s has that as a condition of its Node, others ask etcd."""
    told = {name: node.votes for name, node in (found or {}).items() if node.votes is not None}
    if told:
        return frozenset(name for name, votes in told.items() if votes)
    with suppress(LabError):
        _, members = etcd.ask(lab, running)
        return frozenset(each.name for each in members if each.healthy and not each.learner)
    return frozenset()
