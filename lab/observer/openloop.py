"""Start each planned thing when it is due, whatever became of those before it."""

import asyncio
import math
import time
from collections.abc import Callable, Iterable

from lab.observer.schedule import Planned

MS = 1_000_000

Launch = Callable[[Planned, int], None]


async def launch_when_due(plan: Iterable[Planned], *, start: int, launch: Launch) -> None:
    """Call `launch(planned, due)` for each; `start` and `due` are ns of CLOCK_MONOTONIC.

    What is late already is launched at once and nothing is left out. `launch` must not
    wait; cancelling ends between two of its calls.
    """
    for planned in plan:
        due = start + planned.offset
        await until(due)
        launch(planned, due)


async def until(due: int) -> None:
    """Return when it is `due`, ns of CLOCK_MONOTONIC, and never before."""
    early = due - time.monotonic_ns()
    while early > 0:
        # Event loops count in milliseconds. Rounded down, one would wake too early and
        # spin for the rest.
        await asyncio.sleep(math.ceil(early / MS) / 1000)
        early = due - time.monotonic_ns()
