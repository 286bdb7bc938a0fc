"""Take over what the stage observed, and write down what the engine does, in one history.

Everything goes to the sink first, so what the engine acts on is on disk. A run that can
prove nothing any more is broken off here, with its reason in the history.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Never, Protocol

from lab.errors import ClusterUnreachable, HistoryDamaged, ObserverLost
from lab.scenario.events import NS, Event
from lab.scenario.history import History
from lab.scenario.stage import Stage


class Sink(Protocol):
    """Where the history is written to; lab.scenario.history.Recorder is one."""

    def append(self, events: Iterable[Event]) -> None: ...


Listener = Callable[[Sequence[Event]], None]
"""Is shown what was recorded, as it comes: for a live view."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The time of this process: `monotonic` in seconds, `pause` waits that long."""

    monotonic: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep


class BrokenOff(Exception):
    """The run can prove nothing any more; the history says why."""


class Tape:
    """The history of a run that is being played.

    `patience_s`: how long no way may lead to the observer before ClusterUnreachable is
    raised. Nothing is lost meanwhile, since its lines are read by offset.
    """

    def __init__(
        self, stage: Stage, sink: Sink, listener: Listener, *, clock: Clock, patience_s: float
    ) -> None:
        self.history = History()
        self.failure: Exception | None = None
        self._stage = stage
        self._sink = sink
        self._listener = listener
        self._clock = clock
        self._patience_s = patience_s
        self._away_since: float | None = None

    def now(self) -> int:
        return self._stage.now()

    def in_s(self, seconds: float) -> int:
        """Return when so many seconds from now have passed, in ns."""
        return self._stage.now() + int(seconds * NS)

    def is_over(self, end: int) -> bool:
        """Tell whether time is up at `end`; never while no news come, which may be just late."""
        return self._away_since is None and self._stage.now() > end

    def read(self) -> None:
        """Take over what was observed since the last time."""
        try:
            seen = self._stage.read()
        except ClusterUnreachable as exc:
            self._bear(exc)
            return
        except ObserverLost as exc:
            self.lose("observer", exc.message)
        if self._away_since is not None:
            self.note("the observer can be reached again")
            self._away_since = None
        self._take(seen)

    def _bear(self, error: ClusterUnreachable) -> None:
        now = self._clock.monotonic()
        if self._away_since is None:
            self._away_since = now
            self.note(f"the observer cannot be reached: {error.message}")
        elif now - self._away_since > self._patience_s:
            raise error

    def _take(self, seen: Sequence[Event]) -> None:
        try:
            # An event that is damaged must not get into the file: it could not be read again.
            History(seen)
        except HistoryDamaged as exc:
            self.lose("event", exc.message)
        if seen:
            self.record(*seen)

    def begin(self, phase: str) -> None:
        self.tell("phase", name=phase)

    def note(self, text: str) -> None:
        self.tell("note", text=text)

    def step(self, name: str, what: str, detail: str = "", **fields: Any) -> None:
        self.tell("step", name=name, what=what, detail=detail, **fields)

    def fault(self, name: str, what: str, detail: str = "", *, step: str) -> None:
        self.tell("fault", name=name, what=what, detail=detail, step=step)

    def lose(self, what: str, detail: str) -> Never:
        """Write down that something is lost for good, and break the run off."""
        self.tell("lost", what=what, detail=detail)
        raise BrokenOff(detail)

    def break_off(self, *reasons: str) -> Never:
        for reason in reasons:
            self.note(reason)
        raise BrokenOff(*reasons)

    def tell(self, kind: str, **fields: Any) -> None:
        self.record({"kind": kind, "t": self._stage.now(), **fields})

    def tell_if_possible(self, kind: str, **fields: Any) -> None:
        """Tell while cleaning up, which nothing must stop, least of all a full disk.

        What went wrong stands in `failure`.
        """
        try:
            self.tell(kind, **fields)
        except Exception as exc:
            # Raised at the end, unless the run has ended by an error of its own.
            self.failure = exc

    def record(self, *events: Event) -> None:
        self._sink.append(events)
        self.history.add(events)
        self._listener(events)
