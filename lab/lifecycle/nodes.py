"""Add nodes to a lab, or take one away.

Adding only changes what the lab should have; the rest is `lab up`. Removing is noted first, so
that one that was cut short is ended by the next command.
"""

from dataclasses import dataclass

from lab.errors import ClusterError, InvalidValue, LabError
from lab.kube import drain
from lab.kube.client import Client
from lab.lifecycle import etcd, servers
from lab.lifecycle.bounds import BOUNDS, Bounds
from lab.lifecycle.cluster import Cluster
from lab.lifecycle.lab import Lab, is_of_hosts, is_of_kind, require_root
from lab.lifecycle.lock import exclusive
from lab.lifecycle.making import converge
from lab.lifecycle.plan import Done
from lab.lifecycle.removal import end_removal
from lab.lifecycle.up import Result, is_up
from lab.machines.topology import MAX_NODES, Node, find_node, server_numbers
from lab.paths import Paths
from lab.progress import Progress
from lab.provision.distribution import choose

DRAIN_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Removal:
    name: str
    node: str


def add(
    paths: Paths,
    name: str,
    *,
    count: int = 1,
    server: bool = False,
    progress: Progress,
    bounds: Bounds = BOUNDS,
) -> Result:
    """Add `count` nodes with the lowest free numbers, and return when the lab is ready."""
    _refuse_own(paths, name)
    _refuse_kind(paths, name)
    require_root("node add")
    with exclusive(paths, name):
        lab = _require_up(paths, name)
        new = new_nodes(lab.record.nodes, count, server=server)
        lab.set_nodes((*lab.record.nodes, *new))
        done = Done()
        converge(lab, choose(lab.record.distribution), bounds, progress, done)
        return Result(lab.record, tuple(done.actions))


def _refuse_own(paths: Paths, name: str) -> None:
    if is_of_hosts(paths, name):
        raise InvalidValue(
            f"the nodes of lab {name!r} are machines of an inventory",
            hint="add them to the file, then lab up --inventory FILE",
        )


def _refuse_kind(paths: Paths, name: str) -> None:
    if is_of_kind(paths, name):
        raise InvalidValue(
            f"the nodes of lab {name!r} are containers of kind, which makes all of them at once",
            hint=f"lab down --name {name}; lab up --on kind --name {name} --nodes N",
        )


def new_nodes(present: tuple[Node, ...], count: int, *, server: bool) -> tuple[Node, ...]:
    """Return the nodes to add; raise InvalidValue when that cannot be."""
    taken = {node.number for node in present}
    free = [number for number in range(1, MAX_NODES + 1) if number not in taken]
    if count < 1 or count > len(free):
        raise InvalidValue(
            f"--count is {count}, but a lab of {len(taken)} nodes can take 1 to {len(free)} more",
            hint="lab status",
        )
    if server:
        serving = sum(node.is_server for node in present)
        _check_servers(serving, count)
    return tuple(Node(number, is_server=server) for number in free[:count])


def _check_servers(serving: int, count: int) -> None:
    if serving == 1:
        raise InvalidValue(
            "a lab that was made with one server stays with one: its controllers hold no election",
            hint="lab down, then lab up --servers 3",
        )
    server_numbers(MAX_NODES, serving + count)


def remove(
    paths: Paths,
    name: str,
    node_name: str,
    *,
    force: bool = False,
    progress: Progress,
    bounds: Bounds = BOUNDS,
) -> Removal:
    """Drain the node, take it out of the cluster, and delete its machine with its disk.

    `force` does without draining, and gives up what only this node has.
    """
    _refuse_kind(paths, name)
    if not is_of_hosts(paths, name):
        require_root("node remove")
    with exclusive(paths, name):
        lab = Lab.load(paths, name)
        node = find_node(lab.record.nodes, node_name)
        _refuse_second(lab)
        if node.is_server:
            _refuse_only(lab, node)
            etcd.require_quorum(lab, servers.others_running(lab, node), node.name)
        client = lab.connect()
        if not force:
            _drain(lab, client, node, progress)
        distribution = choose(lab.record.distribution)
        lab.update(removing=node.number, gate_passed=False)
        end_removal(lab, distribution, bounds, progress)
        Cluster(lab, distribution, bounds, progress, Done()).check()
    return Removal(name, node_name)


def _refuse_second(lab: Lab) -> None:
    if lab.record.leaver:
        raise LabError(
            f"the removal of {lab.record.leaver.name} was cut short and comes first",
            hint=f"lab up --name {lab.record.name}",
        )


def _refuse_only(lab: Lab, node: Node) -> None:
    if lab.record.server_nodes == (node,):
        raise InvalidValue(
            f"{node.name} is the only server: what the cluster knows is there alone, so it stays",
            hint=f"lab down --name {lab.record.name}, then lab up --servers 3",
        )


def _drain(lab: Lab, client: Client, node: Node, progress: Progress) -> None:
    if node.name not in lab.machines.running([node]):
        raise LabError(
            f"{node.name} does not answer, so nothing on it can be moved away in order",
            hint=f"lab up --name {lab.record.name}, or lab node remove --force {node.name}",
        )
    held = drain.bound_to_node(drain.pods_on(client, node.name))
    if held:
        raise LabError(
            f"{node.name} has what no other node has: {', '.join(held)}",
            hint=f"lab node remove --force {node.name} gives it up; what is of the service, lab "
            "deploy brings back",
        )
    with progress.task(f"Draining {node.name}"):
        drain.drain(client, node.name, timeout_s=DRAIN_WITHIN_S)


def _require_up(paths: Paths, name: str) -> Lab:
    lab = Lab.load(paths, name)
    _refuse_second(lab)
    if not is_up(lab):
        raise ClusterError(f"lab {name!r} is not up", hint=f"lab up --name {name}")
    return lab
