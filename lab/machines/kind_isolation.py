"""Cut a node of kind off its network, by rules in the node itself.

The switch between containers is Docker's, and the host's rules are not lab's to change. In a
node's own tables the first and the last of a packet's hooks see all that crosses its one
interface, from pods as well (netfilter's raw and mangle), and nobody is told. Rules end with the
container, so one that is started again is not cut off any more.
"""

from collections.abc import Iterable

from lab.machines.docker import docker
from lab.machines.kind import KindCluster
from lab.machines.topology import Node

PREFIX = "lab-cut-"
LINK = "eth0"
IN, OUT = ("raw", "PREROUTING", "-i"), ("mangle", "POSTROUTING", "-o")


def cut_node(cluster: KindCluster, node: Node) -> None:
    """Drop everything from and to the node; changes nothing when it is cut off already."""
    _cut(cluster, node, node.name, ("",))


def cut_port(cluster: KindCluster, node: Node, name: str, port: int) -> None:
    """Drop TCP from and to `port` between the node and others; `name` is what the cut is called."""
    _cut(cluster, node, name, tuple(f"-p tcp --{way} {port}" for way in ("sport", "dport")))


def heal(cluster: KindCluster, nodes: Iterable[Node], name: str) -> None:
    """Take the cut of that name away wherever it is; a second time changes nothing.

    A node that does not run has none, and cannot be asked.
    """
    for node in _running(cluster, nodes):
        _run(cluster, node, _removal(name))


def cuts(cluster: KindCluster, nodes: Iterable[Node]) -> tuple[str, ...]:
    """Return the names of the cuts there are; a node that does not run has none."""
    script = f"iptables-save | sed -n 's/.*--comment {PREFIX}\\([^ ]*\\) .*/\\1/p'"
    shown = [_run(cluster, node, script).split() for node in _running(cluster, nodes)]
    return tuple(sorted({name for names in shown for name in names}))


def _running(cluster: KindCluster, nodes: Iterable[Node]) -> list[Node]:
    running = cluster.running()
    return [node for node in nodes if cluster.container(node) in running]


def _cut(cluster: KindCluster, node: Node, name: str, matches: tuple[str, ...]) -> None:
    rules = [
        f"iptables -w -t {table} -I {chain} {way} {LINK} {match} "
        f"-m comment --comment {PREFIX}{name} -j DROP"
        for table, chain, way in (IN, OUT)
        for match in matches
    ]
    _run(cluster, node, "\n".join(["set -e", _removal(name), *rules]))


def _removal(name: str) -> str:
    """Return a script that deletes the rules of a cut, one after the other as they are shown."""
    return "\n".join(
        f"iptables -w -t {table} -S {chain} | grep -e '--comment {PREFIX}{name} ' | "
        f"sed 's/^-A/-D/' | while read -r rule; do iptables -w -t {table} $rule; done"
        for table, chain, _ in (IN, OUT)
    )


def _run(cluster: KindCluster, node: Node, script: str) -> str:
    argv = ("exec", "--interactive", cluster.container(node), "sh", "-s")
    return docker(*argv, input=f"{script}\n", timeout_s=30)
