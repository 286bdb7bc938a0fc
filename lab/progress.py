"""How a package tells what it is doing, without knowing who watches."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol


class Task(Protocol):
    """One piece of work under way."""

    def advance(self, done: int, total: int, detail: str = "") -> None:
        """Say how far it is: `done` of `total`, and what it works on now."""
        ...


class Progress(Protocol):
    def task(self, title: str) -> AbstractContextManager[Task]:
        """Announce a piece of work; leaving the context ends it, an exception fails it."""
        ...


@dataclass(slots=True)
class Silent:
    """Shows nothing; remembers titles and durations in seconds."""

    finished: list[tuple[str, float]] = field(default_factory=list)

    @contextmanager
    def task(self, title: str) -> Iterator[Task]:
        started = time.monotonic()
        yield self
        self.finished.append((title, time.monotonic() - started))

    def advance(self, done: int, total: int, detail: str = "") -> None:
        pass
