"""What is known of a run so far? The one model behind terminal, live page, report and replay.

Events are taken in as they come, one or ten thousand at a time, and the same events leave the
same picture however they were cut. Requests are counted at once; everything else is rare, kept,
and looked through anew whenever somebody asks.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace

from lab.report.axis import Axis, find_axis
from lab.report.clean import clean
from lab.report.requests import Requests
from lab.scenario.events import NS, Event

# Nothing is shown of these but what a verdict says, and there are thousands.
_NOT_SHOWN = frozenset(("session", "audit", "tick"))


# The load is off by then.
_OVER = frozenset(("verify", "teardown"))


class Picture:
    """The run of one variant up to now. `latest` is the newest time heard of, in ns."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.requests = Requests()
        self.latest: int | None = None
        self._rare: list[Event] = []
        self.take(events)

    def take(self, events: Iterable[Event]) -> None:
        """Take in what has come; each must be sound (`lab.scenario.events.problem_with`)."""
        for event in events:
            seen = event.get("done", event["t"])
            self.latest = seen if self.latest is None else max(self.latest, seen)
            if event["kind"] == "request":
                self.requests.add(event)
            elif event["kind"] not in _NOT_SHOWN:
                self._insert(event)

    def _insert(self, event: Event) -> None:
        # Lines arrive late now and then, as the commit of a migration does.
        rare = self._rare
        if rare and rare[-1]["t"] > event["t"]:
            rare.insert(bisect_right(rare, event["t"], key=_time), event)
        else:
            rare.append(event)

    @property
    def events(self) -> Sequence[Event]:
        """All but requests and what is not shown, by time."""
        return self._rare

    @property
    def axis(self) -> Axis:
        return find_axis(self._rare, self.requests)

    @property
    def axis_so_far(self) -> Axis:
        """The axis without the second that is not over yet: half a second looks like an outage."""
        axis = self.axis
        if self.latest is None or self.phase in _OVER:
            return axis
        over = (self.latest - axis.origin) // NS
        return replace(axis, last=min(axis.last, max(over, axis.first + 1)))

    @property
    def phase(self) -> str:
        """The phase that was begun last, "" before the first."""
        names = (each["name"] for each in reversed(self._rare) if each["kind"] == "phase")
        return clean(next(names, ""), longest=40)


def _time(event: Event) -> int:
    return int(event["t"])
