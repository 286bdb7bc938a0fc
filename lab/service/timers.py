"""Shorten a lab's timers for a while, see that they count, and take them back.

What taking it back needs is in a journal of its own before anything is changed: it outlasts
every run that is played with it, so it is none of what a run leaves. Whoever comes next, with
whatever clock, takes back first what was left.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lab.errors import ClusterError, InvalidValue, LabError, NotReady
from lab.journal import Change, Journal
from lab.kube.client import Client
from lab.lifecycle.access import run_on_node
from lab.lifecycle.lab import Lab
from lab.machines.processes import current_boot_id
from lab.machines.topology import Node
from lab.progress import Progress
from lab.provision import readiness
from lab.provision.timers import (
    DEFAULT_PERIOD_S,
    Heartbeat,
    Monitor,
    Timers,
    ask_script,
    default_grace_s,
    read_heartbeat,
    read_monitor,
    restore_script,
    shorten_script,
)
from lab.scenario import interruption
from lab.service import rollout

FILE = "clock.jsonl"
KIND = "timers"
COMMAND_BOUND_S = 30.0
# A server of k3s is all of the control plane, and kubeadm's kubelet looks for manifests each 20 s.
COUNTS_WITHIN_S = 240.0
POLL_S = 1.0
UNREACHABLE = "node.kubernetes.io/unreachable"
ASKED, DERIVED = "controller manager", "version"


@dataclass(frozen=True, slots=True)
class Found:
    """What runs: in seconds, `grace_s` of each server and `status_s` of each node, by name."""

    grace_s: Mapping[str, float]
    status_s: Mapping[str, float]

    def differs(self, wanted: Timers) -> str:
        """Return what does not run with these timers, empty when all does."""
        late = [name for name, s in self.grace_s.items() if s != wanted.node_monitor_grace_s]
        slow = [name for name, s in self.status_s.items() if s != wanted.node_status_report_s]
        told = [f"controller manager of {name}: {self.grace_s[name]:g} s" for name in late]
        return ", ".join(
            [*told, *(f"kubelet of {name}: {self.status_s[name]:g} s" for name in slow)]
        )


@contextmanager
def shortened(lab: Lab, client: Client, wanted: Timers, progress: Progress) -> Iterator[None]:
    """Have the cluster run with `wanted` within the context, and as before after it.

    Raises InvalidValue where that cannot be, and LabError when it cannot be seen to count.
    """
    if lab.record.hosts:
        raise InvalidValue(
            "the nodes are machines of an inventory, and their timers stay as they are",
            hint="--clock honest",
        )
    before = common(look(lab, client))
    change = journal(lab).intend(
        KIND, "fast", grace_s=before.node_monitor_grace_s, status_s=before.node_status_report_s
    )
    try:
        with progress.task("Shortening the cluster's timers"):
            run_on_all(lab, wanted)
            wait_until_they_count(lab, client, wanted)
        yield
    finally:
        put_back(lab, client, change, progress)


def restore_left(lab: Lab, client: Client, progress: Progress) -> bool:
    """Take back what was left by somebody who was cut short; tell whether anything was."""
    left = journal(lab).open_changes()
    for change in left:
        put_back(lab, client, change, progress)
    return bool(left)


def put_back(lab: Lab, client: Client, change: Change, progress: Progress) -> None:
    """Take one change back; Ctrl-C waits until that was tried, which is bounded."""
    before = Timers(change.undo["grace_s"], change.undo["status_s"])
    with interruption.held(), progress.task("Setting the cluster's timers back"):
        try:
            run_on_all(lab, None)
            wait_until_they_count(lab, client, before)
        except LabError as exc:
            raise NotReady(
                f"the cluster's timers are still short: {exc.message}", hint="sudo lab reset"
            ) from exc
    journal(lab).undone(change)


def journal(lab: Lab) -> Journal:
    return Journal(lab.directory / FILE, owner=lab.paths.caller, boot_id=current_boot_id())


def run_on_all(lab: Lab, wanted: Timers | None) -> None:
    """Set the timers on every node, servers first; None takes them back."""
    distribution = lab.record.distribution
    for node in servers_first(lab.record.nodes):
        if wanted is None:
            script = restore_script(distribution, is_server=node.is_server)
        else:
            script = shorten_script(distribution, wanted, is_server=node.is_server)
        run_on_node(lab, node, script, timeout_s=COMMAND_BOUND_S)


def servers_first(nodes: Iterable[Node]) -> list[Node]:
    return sorted(nodes, key=lambda node: (not node.is_server, node.number))


def wait_until_they_count(lab: Lab, client: Client, wanted: Timers) -> None:
    """Return when everything that runs says so and all nodes are Ready; raises NotReady."""
    deadline = time.monotonic() + COUNTS_WITHIN_S
    while problem := missing(lab, client, wanted):
        if time.monotonic() > deadline:
            raise NotReady(
                f"the timers did not count within {COUNTS_WITHIN_S:g} s: {problem}",
                hint=f"lab status; lab logs {servers_first(lab.record.nodes)[0].name}",
            )
        time.sleep(POLL_S)


def missing(lab: Lab, client: Client, wanted: Timers) -> str:
    record = lab.record
    try:
        if differs := look(lab, client).differs(wanted):
            return differs
        return readiness.judge_cluster(client, record.nodes, record.versions).text()
    except LabError as exc:
        # Servers that start anew are away for a moment.
        return exc.message


def look(lab: Lab, client: Client) -> Found:
    """Ask everything that runs. Raises LabError for what does not answer."""
    grace = {server.name: ask_monitor(lab, server) for server in lab.record.server_nodes}
    silent = [name for name, monitor in grace.items() if monitor is None]
    if silent:
        raise ClusterError(f"the controller manager of {', '.join(silent)} does not say its timers")
    beats = {node.name: ask_kubelet(client, node.name) for node in lab.record.nodes}
    return Found(
        {name: monitor.grace_s for name, monitor in grace.items() if monitor},
        {name: beat.status_report_s for name, beat in beats.items()},
    )


def common(found: Found) -> Timers:
    """Return the timers of a cluster in which all nodes have the same; raises ClusterError."""
    grace, status = set(found.grace_s.values()), set(found.status_s.values())
    if len(grace) != 1 or len(status) != 1:
        raise ClusterError(f"nodes have different timers: {dict(found.grace_s)}, {found.status_s}")
    return Timers(grace.pop(), status.pop())


def ask_monitor(lab: Lab, server: Node) -> Monitor | None:
    script = ask_script(lab.record.distribution)
    return read_monitor(run_on_node(lab, server, script, timeout_s=COMMAND_BOUND_S))


def ask_kubelet(client: Client, node: str) -> Heartbeat:
    """Raises LabError when the kubelet does not say."""
    try:
        return read_heartbeat(client.get(f"/api/v1/nodes/{node}/proxy/configz"))
    except ValueError as exc:
        raise ClusterError(f"{node}: {exc}") from exc


def facts(lab: Lab, client: Client) -> dict[str, Any]:
    """Return the timers that count for a node that falls silent, in seconds.

    Read from what runs. Where the controller manager does not say, what its version does is
    told, and that it was derived. What cannot be known is left out.
    """
    server, *others = servers_first(lab.record.nodes)
    monitor, source = None, DERIVED
    told: dict[str, Any] = {}
    try:
        monitor = ask_monitor(lab, server)
        told["node_heartbeat_s"] = ask_kubelet(client, (others or [server])[-1].name).every_s
    except LabError:
        pass
    if monitor is not None:
        source = ASKED
    grace = monitor.grace_s if monitor else default_grace_s(lab.record.version)
    told |= {
        "node_monitor_grace_s": grace,
        "node_monitor_grace_from": source,
        "node_monitor_period_s": monitor.period_s if monitor else DEFAULT_PERIOD_S,
    }
    tolerated = toleration_s(rollout.pods(client))
    return told if tolerated is None else {**told, "toleration_s": tolerated}


def toleration_s(pods: Iterable[Mapping[str, Any]]) -> int | None:
    """Return how long these pods stay bound to a node that is lost; None for ever, or no pods.

    https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/
    """
    times = [
        each["tolerationSeconds"]
        for pod in pods
        for each in pod["spec"].get("tolerations", [])
        if each.get("key") == UNREACHABLE and "tolerationSeconds" in each
    ]
    return min(times, default=None)
