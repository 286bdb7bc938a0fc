"""Cut the way to a node or to the database: nothing goes out or in, and nobody is told."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from lab.faults.effect import after_request
from lab.scenario.evidence import requested
from lab.scenario.history import History
from lab.scenario.needs import Need

DATABASE = "database"


class CanIsolate(Protocol):
    """A stage with a network that can be cut."""

    def isolate(self, what: str) -> None:
        """Drop all packets to and from a node, or to and from the database of other nodes."""
        ...

    def rejoin(self, what: str, *, wait: bool) -> None:
        """Let them through again; `wait` returns when they are seen to arrive.

        A second time changes nothing.
        """
        ...


@dataclass(frozen=True, slots=True)
class Isolate:
    """Cut `what` off: a node by its name, or "database".

    Packets are dropped in both directions, those of connections that exist as well: no reset
    and no end, as with a switch that fails. What runs on a node that was cut off goes on.
    """

    needs: ClassVar[tuple[Need, ...]] = (Need.NETWORK,)

    what: str

    @property
    def name(self) -> str:
        return f"isolate {self.what}"

    @property
    def lasting(self) -> bool:
        return False

    def describe(self) -> str:
        return f"cut {self.what} off from the network"

    def undo(self) -> Mapping[str, Any]:
        return {"rejoin": self.what}

    def inject(self, stage: CanIsolate) -> None:
        stage.isolate(self.what)

    def is_observed(self, history: History) -> bool:
        """The database got no answer through to its sampler; of a node, the cluster took note."""
        if self.what == DATABASE:
            samples = after_request(history, self.name, "db")
            return any(sample.get("error") for sample in samples)
        return _is_missed(history, self.name, self.what)

    def recover(self, stage: CanIsolate) -> None:
        stage.rejoin(self.what, wait=True)


@dataclass(frozen=True, slots=True)
class Rejoin:
    """Heal the cut within the timeline; what made it is still recovered, which is fine."""

    needs: ClassVar[tuple[Need, ...]] = (Need.NETWORK,)

    what: str

    @property
    def name(self) -> str:
        return f"rejoin {self.what}"

    @property
    def lasting(self) -> bool:
        return False

    def describe(self) -> str:
        return f"let {self.what} have its network again"

    def undo(self) -> Mapping[str, Any]:
        return {"rejoin": self.what}

    def inject(self, stage: CanIsolate) -> None:
        stage.rejoin(self.what, wait=False)

    def is_observed(self, history: History) -> bool:
        """A sample of the database was answered; of a node, it is Ready."""
        if self.what == DATABASE:
            samples = after_request(history, self.name, "db")
            return any(not sample.get("error") for sample in samples)
        return is_ready_again(history, self.name, self.what)

    def recover(self, stage: CanIsolate) -> None:
        stage.rejoin(self.what, wait=True)


def is_not_ready(history: History, fault: str, node: str) -> bool:
    """Tell whether the node was seen not to be Ready since the fault."""
    nodes = after_request(history, fault, "node")
    return any(line["name"] == node and not line["ready"] for line in nodes)


def is_ready_again(history: History, fault: str, node: str) -> bool:
    """Tell whether the last that was heard of the node is that it is Ready, since the fault."""
    nodes = [line for line in after_request(history, fault, "node") if line["name"] == node]
    return bool(nodes) and bool(nodes[-1]["ready"])


def _is_missed(history: History, fault: str, node: str) -> bool:
    """The node is not Ready, or endpoints on it were taken out."""
    since = requested(history, fault)
    if since is None:
        return False
    before = {
        pod for line in history.of("endpoints") if line["t"] < since for pod in _ready(line, node)
    }
    taken_out = any(
        before and not before & _ready(line, node)
        for line in after_request(history, fault, "endpoints")
    )
    return taken_out or is_not_ready(history, fault, node)


def _ready(line: Mapping[str, Any], node: str) -> set[str]:
    """Return the pods on the node that new connections may meet."""
    return {each["pod"] for each in line["endpoints"] if each["node"] == node and each["ready"]}
