"""What does the history say, and what does it not say?

`MissingEvidence` is how a check or a moment refuses to guess. A verdict window is what
counts: from the first step of the timeline until the load is taken off.
"""

from dataclasses import dataclass

from lab.scenario.events import NS
from lab.scenario.history import History


class MissingEvidence(Exception):
    """The history does not hold what was asked; says what is missing."""


@dataclass(frozen=True, slots=True)
class Window:
    """From `begin` to `end`, in ns; `end` does not belong to it."""

    begin: int
    end: int

    def __contains__(self, t: int) -> bool:
        return self.begin <= t < self.end

    @property
    def seconds(self) -> float:
        return (self.end - self.begin) / NS


def phase_began(history: History, name: str) -> int:
    """Return when the phase began, in ns. Raises MissingEvidence."""
    event = history.first("phase", name=name)
    if event is None:
        raise MissingEvidence(f"phase {name} never began")
    began: int = event["t"]
    return began


def baseline_window(history: History) -> Window:
    return Window(phase_began(history, "baseline"), phase_began(history, "run"))


def verdict_window(history: History) -> Window:
    return Window(phase_began(history, "run"), phase_began(history, "verify"))


def requested(history: History, fault: str) -> int | None:
    """Return when the fault of that name was injected last, in ns; None while it was not."""
    event = history.last("fault", name=fault, what="requested")
    return int(event["t"]) if event else None
