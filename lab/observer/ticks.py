"""Was this watcher awake?

A watcher that gets no CPU sees late, or nothing at all, and its stream then looks just like
that of a cluster where nothing happens. So each watcher says once a second that it is
there, and how late its event loop was at worst since it last said so.

Ticks that it slept through are not made up for: they are missing, beside the lag that
tells how long it slept. The lag is looked for `PROBES` times a second, so a pause shorter
than the distance of two probes may be told too short by as much.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from lab.observer.openloop import MS, until
from lab.observer.schedule import NS
from lab.observer.stream import Stream

PROBES = 20
PROBE_EVERY = NS // PROBES


class Ticks:
    """Ticks of one stream; `began` is the time of its first line. All times are ns."""

    def __init__(self, stream: str, *, began: int) -> None:
        self._stream = stream
        self._began = began
        self._probe = 1
        self._lag = 0

    @property
    def due(self) -> int:
        """When to look next."""
        return self._began + self._probe * PROBE_EVERY

    def look(self, now: int) -> dict[str, Any] | None:
        """Note how late it is; return the line of the tick that was due since the last look."""
        self._lag = max(self._lag, now - self.due)
        # Of several that have passed, the first.
        tick = -(-self._probe // PROBES) * PROBES
        self._probe = (now - self._began) // PROBE_EVERY + 1
        return self._line(self._began + tick * PROBE_EVERY) if tick < self._probe else None

    def last(self, now: int) -> dict[str, Any]:
        """Return a tick for what is left of the last second."""
        self._lag = max(self._lag, now - self.due)
        return self._line(now)

    def _line(self, due: int) -> dict[str, Any]:
        lag, self._lag = self._lag, 0
        return {"kind": "tick", "t": due, "stream": self._stream, "lag_max_ms": lag / MS}


@asynccontextmanager
async def ticking(stream: Stream, stop: asyncio.Event) -> AsyncIterator[None]:
    """Write ticks until the block is left; sets `stop` when they cannot be written, and raises."""
    ticks = Ticks(stream.name, began=stream.began)
    task = asyncio.create_task(_tick(ticks, stream))
    task.add_done_callback(lambda _: stop.set())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
    if not task.cancelled():
        task.result()
    stream.write(ticks.last(time.monotonic_ns()))


async def _tick(ticks: Ticks, stream: Stream) -> None:
    while True:
        await until(ticks.due)
        if line := ticks.look(time.monotonic_ns()):
            stream.write(line)
