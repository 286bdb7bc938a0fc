"""What a stage itself has to tell the history, also from another thread."""

import threading
from collections.abc import Callable, Iterable
from typing import Any

from lab.scenario.events import Event


class OwnEvents:
    """Collects events on the stage's clock until they are read; `now` returns ns."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._told: list[Event] = []

    def tell(self, kind: str, **fields: Any) -> None:
        with self._lock:
            self._told.append({"kind": kind, "t": self._now(), **fields})

    def put(self, events: Iterable[Event]) -> None:
        """Add lines that have a time of their own."""
        with self._lock:
            self._told.extend(events)

    def take(self) -> list[Event]:
        """Return what was told since this was last asked."""
        with self._lock:
            told, self._told = self._told, []
        return told
