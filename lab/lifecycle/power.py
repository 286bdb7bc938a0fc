"""Cut the power of one node of a lab, and switch it on again."""

from lab.errors import InvalidValue
from lab.lifecycle.bounds import BOUNDS, Bounds
from lab.lifecycle.lab import Lab
from lab.lifecycle.making import layers
from lab.machines import kind, kind_isolation
from lab.machines.kind import KindCluster
from lab.machines.topology import Node
from lab.provision.distribution import choose


def cut(lab: Lab, node: Node) -> None:
    """Cut the node's power: nothing on it can end in order. One without power is fine."""
    _refuse_own_hosts(lab, node)
    if lab.record.kind:
        _cut_container(lab.record.kind, node)
        return
    lab.sandbox.power_off([node])


def _cut_container(cluster: KindCluster, node: Node) -> None:
    if cluster.container(node) in cluster.running():
        # First the network, or the kernel would tell its peers that connections end.
        kind_isolation.cut_node(cluster, node)
        kind.cut_power(cluster, node)


def restore(lab: Lab, node: Node, *, wait: bool, bounds: Bounds = BOUNDS) -> None:
    """Boot the node from its disk; `wait` returns when it can be logged in to. On is fine."""
    _refuse_own_hosts(lab, node)
    if lab.record.kind:
        kind.start(lab.record.kind, [node])
        return
    if not lab.sandbox.is_running(node):
        lab.sandbox.boot([node], layers(lab, choose(lab.record.distribution)), lab.keys)
    if wait:
        lab.sandbox.wait_until_up([node], timeout_s=bounds.boot_s)


def _refuse_own_hosts(lab: Lab, node: Node) -> None:
    if lab.record.hosts:
        raise InvalidValue(
            f"{node.name} is a machine of an inventory: lab has no power over it",
            hint="lab up --name sandbox makes nodes that have",
        )
