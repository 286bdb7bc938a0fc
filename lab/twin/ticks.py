"""Was the world awake? It says so once a second, and how late its loop was at worst since then.

A loop that gets no CPU sees late what happened, and its lines look just like those of a world
in which nothing happened.
"""

import asyncio
import time
from collections.abc import Callable

EVERY_NS = 1_000_000_000
PROBE_S = 0.05
MS = 1_000_000

Tick = Callable[[int, float], None]


async def tick(tell: Tick, *, now: Callable[[], int] = time.monotonic_ns) -> None:
    """Call `tell(ns, milliseconds late)` again and again; never returns."""
    worst, told = 0, now()
    while True:
        due = now() + int(PROBE_S * 1e9)
        await asyncio.sleep(PROBE_S)
        worst = max(worst, now() - due)
        if now() - told >= EVERY_NS:
            told = now()
            tell(told, worst / MS)
            worst = 0
