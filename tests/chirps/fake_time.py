"""Time that passes only when somebody sleeps."""

import asyncio
from collections.abc import Callable


class FakeTime:
    """`clock` and `sleep` of one test; `at` runs something when its moment has come."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []
        self._due: list[tuple[float, Callable[[], None]]] = []

    def clock(self) -> float:
        return self.now

    def at(self, seconds: float, change: Callable[[], None]) -> None:
        """Do `change` that many seconds from now."""
        self._due.append((self.now + seconds, change))

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.pass_by(seconds)
        await asyncio.sleep(0)

    def pass_by(self, seconds: float) -> None:
        self.now += seconds
        for due in sorted(each for each in self._due if each[0] <= self.now):
            self._due.remove(due)
            due[1]()
