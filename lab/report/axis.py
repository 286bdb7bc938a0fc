"""Where is second 0, and which seconds are shown?

Second 0 is the moment the first fault was requested, for every variant: what happened before
it is negative. So careless and careful lie under each other although each was started by hand
at its own time. A run without a fault counts from its first request.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lab.report.requests import Requests
from lab.scenario.events import NS, Event

# A damaged clock must not make a chart of a million seconds; no run takes two hours.
_LONGEST_S = 7_200


@dataclass(frozen=True, slots=True)
class Axis:
    """`origin` in nanoseconds of the observer; whole seconds `first` to `last` are shown."""

    origin: int
    at_fault: bool
    first: int
    last: int
    is_cut: bool

    def second(self, t: int) -> float:
        return (t - self.origin) / NS

    def bin(self, t: int) -> int | None:
        """Return the place of the second that holds `t`, None outside of what is shown."""
        place = (t - self.origin) // NS - self.first
        return place if 0 <= place < len(self) else None

    def __len__(self) -> int:
        return self.last - self.first

    @property
    def seconds(self) -> tuple[int, ...]:
        return tuple(range(self.first, self.last))


def find_axis(events: Sequence[Event], requests: Requests | None = None) -> Axis:
    """Lay the axis over all requests; without any, over whatever happened.

    `events` by time, with or without the requests among them.
    """
    fault = next(
        (e["t"] for e in events if e["kind"] == "fault" and e["what"] == "requested"), None
    )
    span = _span(requests) or _ends([e for e in events if e["kind"] == "request"] or events)
    return _lay(fault, *span) if span else Axis(0, at_fault=False, first=0, last=1, is_cut=False)


def _span(requests: Requests | None) -> tuple[int, int] | None:
    if requests is None or requests.first is None or requests.last is None:
        return None
    return requests.first, requests.last


def _ends(events: Sequence[Event]) -> tuple[int, int] | None:
    times = [int(each["t"]) for each in events]
    return (min(times), max(times)) if times else None


def _lay(fault: int | None, start: int, end: int) -> Axis:
    origin = fault if fault is not None else start
    first, last = (start - origin) // NS, (end - origin) // NS + 1
    kept_first, kept_last = max(first, -_LONGEST_S), min(last, _LONGEST_S)
    if kept_last <= kept_first:
        kept_first, kept_last = 0, 1
    return Axis(
        origin,
        at_fault=fault is not None,
        first=kept_first,
        last=kept_last,
        is_cut=(kept_first, kept_last) != (first, last),
    )
