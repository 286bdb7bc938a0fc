"""A stored history as it came: which lines were known at which second of the run?

A line of the history does not tell when it was read, only when what it tells of happened. It came
behind the lines before it in the file, and no earlier than it could be known.
"""

from bisect import bisect_right
from collections.abc import Sequence

from lab.report import view
from lab.report.marks import step_of
from lab.report.picture import Picture
from lab.report.stored import StoredVariant
from lab.scenario.events import NS, Event


class Tape:
    """One variant of a stored run, wound to any second of it.

    `length_s` counts from when the load was put on to the last line.
    """

    def __init__(self, stored: StoredVariant) -> None:
        self.name = stored.name
        self._stored = stored
        self._came = _arrivals(stored.events)
        self._begin = _begin(stored.events)
        self._picture, self._taken = Picture(), 0

    @property
    def length_s(self) -> float:
        return (self._came[-1] - self._begin) / NS if self._came else 0.0

    @property
    def faults(self) -> tuple[tuple[float, str], ...]:
        """When each fault was requested, in seconds of the tape, and by which step."""
        return tuple(
            ((came - self._begin) / NS, step_of(each))
            for came, each in zip(self._came, self._stored.events, strict=True)
            if each["kind"] == "fault" and each["what"] == "requested"
        )

    def at(self, second: float) -> view.VariantView:
        """Return what was known at `second`."""
        until = bisect_right(self._came, self._begin + round(second * NS))
        if until < self._taken:
            self._picture, self._taken = Picture(), 0
        self._picture.take(self._stored.events[self._taken : until])
        self._taken = until
        return view.build_variant(self.name, self._picture, None, self._stored.damage, so_far=True)

    def whole(self) -> view.VariantView:
        """Return what the report shows, with the verdict."""
        stored = self._stored
        return view.build_variant(self.name, Picture(stored.events), stored.verdict, stored.damage)


def _arrivals(events: Sequence[Event]) -> list[int]:
    came: list[int] = []
    for each in events:
        known = max(each["t"], each.get("done", each["t"]))
        came.append(max(known, came[-1]) if came else known)
    return came


def _begin(events: Sequence[Event]) -> int:
    """Return when the load was put on: nobody wants to look on while a database is filled."""
    due = [each["t"] for each in events if each["kind"] == "request"]
    return int(min(due)) if due else int(events[0]["t"]) if events else 0
