"""What was seen and done in a run: written once, line after line, and read as often as wanted.

The history is the only input of checks and reports, so a stored run can be judged
again. Lines stand in the order in which they arrived, not in the order of `t`: the
commit of a migration, for example, is learnt from the next look at the database.

Reading forgives nothing silently. A damaged line is HistoryDamaged with file and line
number; a last line without its newline was cut by a crash or a full disk: it is left
out and `truncated` says so.
"""

import contextlib
import errno
import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from lab.errors import HistoryDamaged, NoSpace
from lab.scenario.events import Event, problem_with

Derived = TypeVar("Derived")

_FULL = (errno.ENOSPC, errno.EDQUOT)


class History:
    """Events of one run, by kind, in the order of their arrival."""

    def __init__(self, events: Iterable[Event] = (), *, truncated: bool = False) -> None:
        self.truncated = truncated
        self._events: list[Event] = []
        self._by_kind: dict[str, list[Event]] = {}
        self._derived: dict[object, Any] = {}
        self.add(events)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a stored history. Raises HistoryDamaged, naming file and line."""
        try:
            lines = path.read_bytes().split(b"\n")
        except FileNotFoundError as exc:
            raise HistoryDamaged(f"history {path} is not there") from exc
        # What stands after the last newline is empty, or a line that was cut.
        cut = lines.pop()
        return cls((_parse(path, n, line) for n, line in enumerate(lines, 1)), truncated=bool(cut))

    def add(self, events: Iterable[Event]) -> None:
        """Take over what has arrived. Raises HistoryDamaged for what is no event."""
        self._derived.clear()
        for event in events:
            problem = problem_with(event)
            if problem:
                raise HistoryDamaged(f"an event of the run is damaged: {problem}")
            self._events.append(event)
            self._by_kind.setdefault(event["kind"], []).append(event)

    @property
    def events(self) -> Sequence[Event]:
        return self._events

    def of(self, kind: str) -> Sequence[Event]:
        """Return all events of `kind`; later ones are added to what was returned."""
        return self._by_kind.get(kind, [])

    def last(self, kind: str, **fields: Any) -> Event | None:
        """Return the event of `kind` that arrived last and has all these fields."""
        for event in reversed(self.of(kind)):
            if all(event.get(name) == value for name, value in fields.items()):
                return event
        return None

    def first(self, kind: str, **fields: Any) -> Event | None:
        """Return the event of `kind` that arrived first and has all these fields."""
        for event in self.of(kind):
            if all(event.get(name) == value for name, value in fields.items()):
                return event
        return None

    def derive(self, compute: Callable[[Self], Derived]) -> Derived:
        """Return `compute(self)`, computed once until events are added: many checks ask alike."""
        if compute not in self._derived:
            self._derived[compute] = compute(self)
        derived: Derived = self._derived[compute]
        return derived

    @property
    def load(self) -> Event:
        """What was asked of the measuring client, as the first line tells; else empty."""
        return self._told("load")

    @property
    def facts(self) -> Event:
        """Configured values read back from the stage, as the first line tells; else empty."""
        return self._told("facts")

    def _told(self, field: str) -> Event:
        run = self.first("run")
        told: Event = run[field] if run else {}
        return told


def _parse(path: Path, number: int, line: bytes) -> Event:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError) as exc:
        raise HistoryDamaged(f"line {number} of {path} is damaged: no JSON ({exc})") from exc
    problem = problem_with(event)
    if problem:
        raise HistoryDamaged(f"line {number} of {path} is damaged: {problem}")
    parsed: Event = event
    return parsed


class Recorder:
    """Appends events to a history file; what `append` returned from is on disk.

    The file is made by the caller, who knows whose it is. A disk that is full raises
    NoSpace; what was written of that batch is taken back, so that the file still ends
    with a whole line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW)

    def append(self, events: Iterable[Event]) -> None:
        content = b"".join(json.dumps(event).encode() + b"\n" for event in events)
        if not content:
            return
        before = os.fstat(self._descriptor).st_size
        try:
            _write_all(self._descriptor, content)
            os.fsync(self._descriptor)
        except OSError as exc:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, before)
            if exc.errno in _FULL:
                raise NoSpace(f"no space left for {self.path}", hint="df -h") from exc
            raise

    def close(self) -> None:
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _write_all(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
