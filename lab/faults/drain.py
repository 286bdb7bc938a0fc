"""Empty a node, as `kubectl drain` does."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from lab.faults.effect import after_request
from lab.scenario.history import History
from lab.scenario.needs import Need

BEGUN, DONE, GAVE_UP = "begun", "done", "gave up"
STOPPED, FAILED = "stopped", "failed"
"""`stopped`: it was recovered meanwhile; `failed`: a request was refused for another reason."""


class CanDrain(Protocol):
    """A stage whose nodes can be emptied."""

    def drain(self, node: str, *, timeout_s: float) -> None:
        """Cordon the node and begin to evict; return at once.

        Each answer to an eviction is told as an event `eviction`, the rest as `drain`.
        """
        ...

    def uncordon(self, node: str) -> None:
        """Stop draining, and let pods onto the node again; a second time changes nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Drain:
    """Cordon `node`, then evict its pods; a budget's refusal (429) is tried again.

    It gives up after `timeout_s`. Observed when the node is cordoned and draining has begun;
    how it ended is an event {"kind": "drain", "what": "done" or "gave up"}.

    https://kubernetes.io/docs/tasks/administer-cluster/safely-drain-node/
    """

    needs: ClassVar[tuple[Need, ...]] = (Need.EVICTION,)

    node: str
    timeout_s: float = 90

    @property
    def name(self) -> str:
        return f"drain {self.node}"

    @property
    def lasting(self) -> bool:
        return False

    def describe(self) -> str:
        return f"drain {self.node}, for {self.timeout_s:g} s at most"

    def undo(self) -> Mapping[str, Any]:
        return {"uncordon": self.node}

    def inject(self, stage: CanDrain) -> None:
        stage.drain(self.node, timeout_s=self.timeout_s)

    def is_observed(self, history: History) -> bool:
        return any(event["what"] == BEGUN for event in self._told(history))

    def failure(self, history: History) -> str | None:
        for event in self._told(history):
            if event["what"] == FAILED:
                return f"draining {self.node}: {event['message']}"
        return None

    def recover(self, stage: CanDrain) -> None:
        stage.uncordon(self.node)

    def _told(self, history: History) -> list[Mapping[str, Any]]:
        told = after_request(history, self.name, "drain")
        return [event for event in told if event["node"] == self.node]
