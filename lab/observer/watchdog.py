"""Is there still somebody who wants this run?

Whoever drives a run reads its streams all the time. One who was killed says nothing, and
without this the load would stay on the service for ever.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

SECONDS = 120.0

Expire = Callable[[], None]


class Timer(Protocol):
    def cancel(self) -> None: ...


class Timers(Protocol):
    """Of an event loop: its clock, in seconds, and calls when some have passed."""

    def time(self) -> float: ...
    def call_later(self, delay: float, callback: Callable[[], None], /) -> Timer: ...


class Watchdog:
    """Calls what it was started with, once, when it was not fed for `seconds`.

    `timers` are those of the running event loop unless others are given.
    """

    def __init__(self, seconds: float = SECONDS, *, timers: Timers | None = None) -> None:
        self.seconds = seconds
        self._timers = timers or asyncio.get_running_loop()
        self._fed = self._timers.time()
        self._timer: Timer | None = None

    def start(self, expire: Expire) -> None:
        """Begin anew; what was watched before is not any longer."""
        self.stop()
        self.feed()
        self._look_after(self.seconds, expire)

    def feed(self) -> None:
        self._fed = self._timers.time()

    def stop(self) -> None:
        if self._timer:
            self._timer.cancel()

    def _look_after(self, seconds: float, expire: Expire) -> None:
        # One timer looks when it may be over, rather than one for each time that it is fed.
        self._timer = self._timers.call_later(seconds, lambda: self._look(expire))

    def _look(self, expire: Expire) -> None:
        left = self._fed + self.seconds - self._timers.time()
        if left > 0:
            self._look_after(left, expire)
        else:
            expire()
