"""Wait for a cluster: until nothing is missing, it is too late, or waiting is seen to be in vain.

What a failure tells is looked for while there is time: a cause that lasts ends the waiting.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from lab.errors import ClusterError, NotReady
from lab.kube import nodes as kube_nodes
from lab.kube.client import Client
from lab.machines.topology import Node
from lab.provision.diagnosis import Failure, Kind, diagnose, tell

SERVER_ROLE = "control-plane"
_POLL_S = 0.2
# Seconds: what is only young says much that is over soon.
FIRST_LOOK_S = 30.0
LOOK_EVERY_S = 10.0
CUT_S = 45.0


@dataclass(frozen=True, slots=True)
class Missing:
    """What keeps the cluster from being ready, in one line a finding; empty when it is.

    A finding about a node begins with its name. Those `between` nodes may tell something only
    together, as when no node's pods reach those of another: `unreached` are these pairs.
    """

    findings: tuple[str, ...]
    between: bool = False
    unreached: tuple[str, ...] = ()

    def text(self) -> str:
        return "; ".join(self.findings)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is waited for, and what is known of the nodes, so that a failure can name its cause.

    `names` are of the nodes that count, `servers` of those that are servers, None where nobody
    has said; of `versions`, one is enough. `elapsed_s` is None but where it ended early.
    """

    what: str
    timeout_s: float
    names: tuple[str, ...] = ()
    servers: tuple[str, ...] | None = None
    versions: tuple[str, ...] = ()
    elapsed_s: float | None = None

    @property
    def title(self) -> str:
        if self.elapsed_s is None:
            return f"{self.what} did not become ready within {self.timeout_s:g} s"
        return f"{self.what} did not become ready in {self.elapsed_s:.0f} s, and waiting is in vain"

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


def wait(client: Client, look: Callable[[], Missing], waiting: Waiting) -> None:
    """Look until nothing is missing; an API that is briefly away counts as missing.

    Raises NotReady at the bound, or before it when waiting is seen to be in vain.
    """
    began = time.monotonic()
    vain = Vain(waiting)
    while True:
        try:
            missing = look()
        except ClusterError as exc:
            missing = Missing((exc.message,))
        if not missing.findings:
            return
        elapsed_s = time.monotonic() - began
        if elapsed_s > waiting.timeout_s:
            raise explain(missing, waiting, _node_objects(client))
        if vain.is_due(elapsed_s, missing):
            nodes = _node_objects(client)
            if vain.is_seen(elapsed_s, missing, nodes):
                raise explain(missing, replace(waiting, elapsed_s=elapsed_s), nodes)
        time.sleep(_POLL_S)


@dataclass(slots=True)
class Vain:
    """Whether to wait on is in vain: pure, of seconds since the waiting began.

    So that a cause is told within a minute of when it can be known. It has to be one that lasts,
    and found twice; or the same pods of Ready nodes do not reach each other for long. Who gives
    more time than usual means hosts that are slow, and gets more patience.
    """

    waiting: Waiting
    _next_s: float = 0.0
    _found: frozenset[tuple[str, Kind]] = frozenset()
    _unreached: frozenset[str] = frozenset()
    _unreached_since_s: float = 0.0

    def is_due(self, elapsed_s: float, missing: Missing) -> bool:
        """Note what does not reach what; return whether it is time to look for a cause."""
        now = frozenset(missing.unreached)
        if now != self._unreached:
            self._unreached, self._unreached_since_s = now, elapsed_s
        first_s = max(FIRST_LOOK_S, self.waiting.timeout_s / 4)
        return elapsed_s >= max(first_s, self._next_s)

    def is_seen(self, elapsed_s: float, missing: Missing, nodes: Sequence[dict[str, Any]]) -> bool:
        self._next_s = elapsed_s + LOOK_EVERY_S
        known = self.waiting.filled(nodes)
        causes = frozenset(
            (failure.node, cause.kind)
            for failure in _failures(missing, known, nodes)
            if (cause := diagnose(failure.said, distribution=known.distribution)) and cause.lasts
        )
        again, self._found = causes & self._found, causes
        return bool(again) or self._is_cut(elapsed_s, nodes)

    def _is_cut(self, elapsed_s: float, nodes: Sequence[dict[str, Any]]) -> bool:
        lasting_s = elapsed_s - self._unreached_since_s
        if not self._unreached or lasting_s < max(CUT_S, self.waiting.timeout_s / 2):
            return False
        ready = {node.name for node in map(kube_nodes.parse, nodes) if node.ready}
        return ready >= set(self.waiting.names)


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
    return NotReady(told.below(waiting.title), hint=told.remedy or _hint(waiting, told.nodes))


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


def servers_of(nodes: Sequence[Node]) -> list[str]:
    return [node.name for node in nodes if node.is_server]


def waiting_for(
    what: str, nodes: Sequence[Node], versions: Sequence[str], timeout_s: float
) -> Waiting:
    names = tuple(node.name for node in nodes)
    return Waiting(what, timeout_s, names, tuple(servers_of(nodes)), tuple(versions))
