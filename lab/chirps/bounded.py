"""What if something does not end even when it is told to?

psycopg, when it is cancelled, asks the server to cancel the statement and waits for that: up
to 10 s when the server is away without a word (`AsyncConnection.wait`). `asyncio.timeout` would
wait with it. So whoever must go on at a time of its own leaves such a task behind. Told a second
time, psycopg closes the connection without another word.
"""

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

logger = logging.getLogger(__name__)

Task = asyncio.Task[Any]


async def ended(task: Task, within_s: float) -> bool:
    """Say whether `task` ended in time; if not, it is told to end and not waited for."""
    try:
        await asyncio.wait((task,), timeout=within_s)
        return task.done()
    finally:
        if not task.done():
            tell(task)


def tell(task: Task) -> None:
    """Tell `task` to end, and take what it ends with, whenever that is."""
    task.cancel()
    task.remove_done_callback(take_result)  # it may have been told before
    task.add_done_callback(take_result)


def take_result(task: Task) -> None:
    """Look at what a task ended with, or asyncio complains that nobody did."""
    if not task.cancelled():
        task.exception()


async def stop(tasks: Iterable[Task], within_s: float) -> list[Task]:
    """Tell all to end, after half of the time once more; return those that still run."""
    left = [task for task in tasks if not task.done()]
    for _ in range(2):
        for task in left:
            tell(task)
        if left:
            await asyncio.wait(left, timeout=within_s / 2)
        left = [task for task in left if not task.done()]
    return left


class LastResort:
    """Ends the process when its time is up, whatever hangs: a task, a thread, the loop itself.

    Python waits for its threads at the end, also for one that looks up a name in vain. A
    process that overstays is killed by the platform, and then nobody can tell that from a crash.
    `exit_code` is 0 unless somebody has a better one: it was told to leave, and does.
    """

    def __init__(self, end: Callable[[int], None] | None = None) -> None:
        self._end = end or end_now
        self._timer: threading.Timer | None = None
        self.exit_code = 0

    def within(self, seconds: float) -> None:
        """Leave that much time from now on; takes the place of what was left before."""
        self.let_go()
        self._timer = threading.Timer(seconds, self._ring)
        self._timer.daemon = True
        self._timer.start()

    def let_go(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _ring(self) -> None:
        self._end(self.exit_code)


def end_now(exit_code: int) -> None:
    logger.warning("shutdown", extra={"stage": "cut short"})
    os._exit(exit_code)
