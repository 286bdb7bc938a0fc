"""Two ways to send a release to nodes: as lab does, and as pyinfra's own command does."""

import os
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.machine import program
from benchmarks.standin import MB, STAND_IN, Bare, boot_all, new_lab, settings_of
from benchmarks.timing import timed
from lab.lifecycle import own_hosts
from lab.lifecycle.cluster import start_child
from lab.lifecycle.lab import Lab
from lab.machines import netns, network
from lab.machines.inventory import Host
from lab.machines.topology import Node, make_nodes
from lab.paths import Paths
from lab.progress import Silent
from lab.provision.child import Phase, Target
from lab.provision.distribution import Ground
from lab.provision.k3s_phases import K3s

COUNTS = (1, 3, 6)
RUNS = 2
PYINFRA_BOUND_S = 900.0
LAB, PYINFRA = "lab", "plain pyinfra"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Upload:
    """One sending of `size` bytes to each of `nodes`, with the deploy that puts them to use.

    `again_s` are the seconds of the same when all is there. `sending_s` are those of `seconds`
    in which files were sent, where that can be told.
    """

    way: str
    nodes: int
    size: int
    seconds: float
    again_s: float
    sending_s: float | None = None

    @property
    def rate(self) -> float:
        """Return MB/s to each node, of all the time that it took."""
        return self.size / MB / self.seconds


def measure(paths: Paths, k3s: Bare, directory: Path, say: Say) -> list[Upload]:
    """Send to booted nodes, each way in turn; `say` is told of each run."""
    with new_lab(paths, k3s, make_nodes(max(COUNTS))) as lab:
        boot_all(lab, k3s)
        ground = Ground(own_hosts.owner_of(lab.record.lab_id, lab.record.name), {})
        site = Site(lab, k3s.bind(lab.record.artifacts, ground), directory)
        found = []
        for way, count in turns(COUNTS, RUNS):
            say(f"sending to {count} of the nodes by {way}")
            found.append(site.measure(way, count))
    return found


def turns(counts: Sequence[int], runs: int) -> Iterator[tuple[str, int]]:
    """Yield way and number of nodes; each way is as often the first as the other."""
    for run in range(runs):
        for count in counts:
            for way in (LAB, PYINFRA) if run % 2 == 0 else (PYINFRA, LAB):
                yield way, count


@dataclass(frozen=True, slots=True)
class Site:
    """Booted nodes that have nothing of k3s, and the two ways to send it to them.

    Both end with the same deploy, `lab.provision.k3s.prepare`, which compares what has come and
    gives it its name. Each way pays for loading pyinfra: lab does it while it sends.
    """

    lab: Lab
    k3s: K3s
    directory: Path

    def measure(self, way: str, count: int) -> Upload:
        nodes = self.lab.record.nodes[:count]
        send = self.by_lab if way == LAB else self.by_pyinfra
        # What another sending left to be written to the disk is not to count here.
        os.sync()
        seconds, sending_s = send(nodes)
        again_s, _ = send(nodes)
        self.clear(nodes)
        size = sum(Path(each.source).stat().st_size for each in self.k3s.parcels(nodes[0]))
        return Upload(way, count, size, seconds, again_s, sending_s)

    def by_lab(self, nodes: tuple[Node, ...]) -> tuple[float, float | None]:
        """Send as to machines of an inventory, which these are not, in the lab's network."""
        hosts = {node.number: as_host(self.lab, node) for node in nodes}
        lab = replace(self.lab, record=replace(self.lab.record, hosts=hosts))
        started = time.monotonic()
        with start_child(self.lab) as child:
            sending = time.monotonic()
            with netns.enter(self.lab.sandbox.namespace()):
                own_hosts.send(lab, self.k3s, nodes, Silent())
            sent_s = time.monotonic() - sending
            child.run(self.prepare(nodes), _unheard)
            return time.monotonic() - started, sent_s

    def by_pyinfra(self, nodes: tuple[Node, ...]) -> tuple[float, float | None]:
        inventory = self.directory / "inventory.py"
        targets = self.prepare(nodes).targets
        inventory.write_text(
            render_inventory((each, self.lab.machines.reach(each)) for each in targets)
        )
        command = [program("pyinfra"), "-y", "--chdir", str(self.directory), str(inventory)]
        inside = netns.command(
            network.name(self.lab.record.lab_id), [*command, "lab.provision.k3s.prepare"]
        )
        return timed(inside, env={}, timeout_s=PYINFRA_BOUND_S).seconds, None

    def prepare(self, nodes: tuple[Node, ...]) -> Phase:
        """Return the phase in which nodes are prepared, and no server is started."""
        settings = settings_of(self.lab, self.k3s)
        phase = self.k3s.start_phase(nodes, settings, secrets={}, new=nodes, server=nodes[0])
        prepared = (replace(each, deploys=("k3s_prepare",), read={}) for each in phase.targets)
        return replace(phase, targets=tuple(prepared))

    def clear(self, nodes: tuple[Node, ...]) -> None:
        with start_child(self.lab) as child:
            child.run(self.k3s.uninstall_phase(nodes), _unheard)


def as_host(lab: Lab, node: Node) -> Host:
    """Return a sandbox node as a machine of an inventory would be listed."""
    return Host(
        name=node.name,
        address=node.address,
        user="root",
        port=22,
        key=lab.keys.login,
        known_hosts=lab.keys.known_hosts,
        is_server=node.is_server,
        sudo=False,
        data={},
        hostname=node.address,
        known_as=node.address,
        config=Path(os.devnull),
    )


def render_inventory(hosts: Iterable[tuple[Target, dict[str, Any]]]) -> str:
    """Return an inventory file for pyinfra, from targets and how each is reached."""
    return f"nodes = {[(target.name, target.data | reach) for target, reach in hosts]!r}\n"


def render(uploads: Sequence[Upload]) -> Iterator[str]:
    size = uploads[0].size / MB
    yield from ("", f"### Sending {size:.0f} MB to each node, of {STAND_IN}", "")
    yield "In the order of running; MB/s are of all the seconds, those of the deploy included."
    yield ""
    yield "| nodes | by | seconds | of that sending | second run | MB/s a node | MB/s in all |"
    yield "|--:|---|--:|--:|--:|--:|--:|"
    yield from map(_row, uploads)
    for count in dict.fromkeys(each.nodes for each in uploads):
        yield from ("", _compare([each for each in uploads if each.nodes == count]))


def _row(each: Upload) -> str:
    sending = "" if each.sending_s is None else f"{each.sending_s:.1f} s"
    return (
        f"| {each.nodes} | {each.way} | {each.seconds:.1f} s | {sending} "
        f"| {each.again_s:.1f} s | {each.rate:.1f} | {each.rate * each.nodes:.1f} |"
    )


def _compare(uploads: Sequence[Upload]) -> str:
    lab, plain = (
        statistics.median(each.seconds for each in uploads if each.way == way)
        for way in (LAB, PYINFRA)
    )
    return (
        f"{uploads[0].nodes} nodes, medians: {LAB} {lab:.1f} s, {PYINFRA} {plain:.1f} s, "
        f"which is {plain / lab:.1f} times as long"
    )


def _unheard(host: str, name: str) -> None:
    """Ignore an operation that ended."""
