"""For how long did users fail while nobody was told?

A silence begins with the first user error. What was told before it and was over then, as a
warning that came once, has ended no silence: it could not be about an error that nobody had
met. What still tells at the first error, as a condition that is false, leaves none.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lab.scenario import signals, traffic
from lab.scenario.events import NS
from lab.scenario.evidence import Window
from lab.scenario.history import History
from lab.scenario.traffic import Request

EARLIER = "(before the first error)"


@dataclass(frozen=True, slots=True)
class Silence:
    """`seconds` is None where it did not end, and where nobody failed. `signal` is what ended
    it, else the first one that there was."""

    seconds: float | None
    signal: str | None


def measure(history: History, window: Window, failed: Sequence[Request]) -> Silence:
    """Return the silence of `window`, in which the requests `failed` failed."""
    told = signals.begun_in(window, history)
    first = traffic.first_failure(failed)
    if first is None:
        return Silence(None, told[0].what if told else None)
    for signal in told:
        if signal.t >= first.done:
            return Silence((signal.t - first.done) / NS, signal.what)
        if signal.tells_at(first.done):
            return Silence(0.0, f"{signal.what} {EARLIER}")
    return Silence(None, f"{told[0].what} {EARLIER}" if told else None)
