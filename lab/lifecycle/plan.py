"""What would `lab up` do, where, and why? The same words that `lab up` uses for what it did.

Pure: from what was found to what is missing. `lab.lifecycle.facts` looks, and
`lab.lifecycle.making` acts, step by step on what it finds itself; that both agree is tested.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from lab.machines.topology import Node

HOST = "host"
CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class Action:
    """One step: on a node, the host or the cluster; `why` is empty for what was done."""

    target: str
    action: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found of a lab, or of one that is not there yet.

    `unbuilt` are artifacts that are not in the cache. `all_doors` are those that should
    lead to the lab from the host's loopback, `doors` those that do not. `unready` says in a
    word why the cluster has to be looked at again, and is empty for one that is as it was when
    it was last checked. `upgrade_to` is a newer version, if there is one, and `outdated` the
    nodes that do not have it, in their order. `own` is what the nodes get where they are machines
    of an inventory, such as "kubeadm v1.36.3"; they have their power from elsewhere.
    """

    nodes: tuple[Node, ...]
    unbuilt: tuple[str, ...] = ()
    leaving: str = ""
    removing: str = ""
    network: bool = False
    keys: bool = False
    disks: frozenset[str] = frozenset()
    running: frozenset[str] = frozenset()
    joined: frozenset[str] = frozenset()
    kubeconfig: bool = False
    all_doors: tuple[str, ...] = ("api",)
    doors: tuple[str, ...] = ("api",)
    unready: str = "it has not been checked yet"
    version: str = ""
    upgrade_to: str = ""
    outdated: tuple[Node, ...] = ()
    own: str = ""

    @property
    def is_up(self) -> bool:
        return not (
            self.unready or self.doors or self.leaving or self.removing or self.upgrade_to
        ) and all(node.name in self.running for node in self.nodes)


@dataclass(slots=True)
class Done:
    """What was done so far, in order."""

    actions: list[Action] = field(default_factory=list)

    def add(self, target: str, action: str) -> None:
        self.actions.append(Action(target, action))


def preparation(own: str) -> str:
    """Return what is done first with a node; `own` is as in `Facts`."""
    return f"install {own}" if own else "prepare"


def plan(facts: Facts) -> tuple[Action, ...]:
    """Return what `lab up` would do, in order; nothing for a lab that is up."""
    return () if facts.is_up else tuple(_steps(facts))


def _steps(facts: Facts) -> Iterator[Action]:
    if facts.leaving:
        yield Action(HOST, f"end {facts.leaving}", f"a lab {facts.leaving} was cut short")
        facts = _after_leaving(facts)
    if facts.removing:
        yield Action(facts.removing, "remove", "a lab node remove was cut short")
        staying = tuple(node for node in facts.nodes if node.name != facts.removing)
        facts = replace(facts, nodes=staying)
    if not facts.upgrade_to:
        yield from _build_steps(facts)
    yield from _host_steps(facts)
    yield from _boot_steps(facts)
    for door in facts.doors:
        yield Action(HOST, f"publish {door}", "no port of the loopback leads there")
    yield from _cluster_steps(facts)
    if facts.upgrade_to:
        if not _is_as_checked(facts):
            yield Action(CLUSTER, "check", facts.unready or "something changed")
        yield from _build_steps(facts)
        for node in facts.outdated:
            why = f"it runs {facts.version}"
            yield Action(node.name, f"upgrade to {facts.upgrade_to}", why)
        yield Action(CLUSTER, "check", "its version changed")
        return
    yield Action(CLUSTER, "check", facts.unready or "something changed")


def _is_as_checked(facts: Facts) -> bool:
    return replace(facts, upgrade_to="").is_up


def _build_steps(facts: Facts) -> Iterator[Action]:
    for name in facts.unbuilt:
        yield Action(HOST, f"build {name}", "it is not in the cache")


def _host_steps(facts: Facts) -> Iterator[Action]:
    if not facts.network:
        yield Action(HOST, "make network", "the lab has none on this host")
    if not facts.keys:
        yield Action(HOST, "make keys", "a node has no host key yet")


def _boot_steps(facts: Facts) -> Iterator[Action]:
    for node in facts.nodes:
        if node.name not in facts.running:
            has_disk = node.name in facts.disks
            why = "it is powered off" if has_disk else "there is no machine of that name yet"
            yield Action(node.name, "boot" if has_disk else "make and boot", why)


def _cluster_steps(facts: Facts) -> Iterator[Action]:
    new = [node for node in facts.nodes if node.name not in facts.joined]
    servers = [node for node in facts.nodes if node.is_server]
    # Only where no server is part of a cluster, one makes it.
    is_made = any(node.name in facts.joined for node in servers)
    for node in new:
        yield Action(node.name, preparation(facts.own), "it is not part of the cluster")
        if node == servers[0] and not is_made:
            yield Action(node.name, "make cluster", "there is none")
        else:
            as_server = " as server" if node.is_server else ""
            yield Action(node.name, f"join{as_server}", "it is not part of the cluster")
    if not facts.kubeconfig:
        yield Action(HOST, "write kubeconfig", "there is none that leads to this cluster")


def _after_leaving(facts: Facts) -> Facts:
    """Return what is there when the stop or down that was cut short has ended."""
    if facts.leaving == "stop":
        return replace(facts, network=False, running=frozenset(), doors=facts.all_doors)
    if facts.own:
        return of_own(facts.nodes, facts.own, facts.unbuilt)
    return Facts(nodes=facts.nodes, unbuilt=facts.unbuilt)


def of_own(nodes: tuple[Node, ...], own: str, unbuilt: tuple[str, ...]) -> Facts:
    """Return what is found of machines of an inventory that are no nodes yet."""
    return Facts(
        nodes=nodes,
        own=own,
        unbuilt=unbuilt,
        network=True,
        keys=True,
        running=frozenset(node.name for node in nodes),
        all_doors=(),
        doors=(),
    )
