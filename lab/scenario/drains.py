"""How did a drain go: what did evictions answer, how did it end, and when?"""

from lab.scenario.commands import DONE, FAILED, GAVE_UP
from lab.scenario.events import Event
from lab.scenario.evidence import MissingEvidence, phase_began
from lab.scenario.history import History
from lab.scenario.model import Condition, Moment

BEGUN = "begun"
REFUSED = 429
SERVICE_PODS = "chirps-"
AGAIN_AFTER_S = 5.0
"""How long kubectl waits after a 429 (k8s.io/kubectl pkg/drain/drain.go)."""


def evictions(history: History, node: str) -> tuple[Event, ...]:
    """Return the answers to evictions of the service's pods on the node, in order."""
    begin = phase_began(history, "run")
    return tuple(
        event
        for event in history.of("eviction")
        if event["t"] >= begin
        and event.get("node", node) == node
        and event["pod"].startswith(SERVICE_PODS)
    )


def end_of(history: History, node: str) -> Event | None:
    """Return how the drain ended by itself; None while it goes on."""
    ends = (DONE, GAVE_UP, FAILED)
    return next((e for e in _told(history, node) if e["what"] in ends), None)


def begun(node: str) -> Moment:
    def at(history: History) -> int:
        for event in _told(history, node):
            if event["what"] == BEGUN:
                return int(event["t"])
        raise MissingEvidence(f"{node} was not drained")

    return Moment(f"the drain of {node} begun", at, lambda _history: 0)


def ended(node: str) -> Moment:
    def at(history: History) -> int:
        event = end_of(history, node)
        if event is None:
            raise MissingEvidence(f"the drain of {node} had not ended")
        return int(event["t"])

    return Moment(f"the drain of {node} over", at, lambda _history: 0)


def has_ended(node: str, *, within_s: float) -> Condition:
    """The drain is done, or has given up."""
    return Condition(
        f"the drain of {node} is over",
        lambda history, _now: end_of(history, node) is not None,
        within_s,
    )


def _told(history: History, node: str) -> tuple[Event, ...]:
    begin = phase_began(history, "run")
    told = (event for event in history.of("drain") if event["node"] == node)
    return tuple(event for event in told if event["t"] >= begin)
