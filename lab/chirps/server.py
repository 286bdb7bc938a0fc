"""How does the server stop, so that nobody who was let in is turned away?

uvicorn's own end closes connections that are idle the moment it is told to stop, also those
on which a request is just arriving, and then dies of the signal. This one leaves in stages,
each logged with the milliseconds since SIGTERM:

    draining           every answer says so and closes its connection; /readyz is 503
    not accepting      the listening socket is closed, what it had accepted is taken
    finished           requests have ended, and connections without one have had LINGER_S
                       to bring one; at most `graceful_s` altogether
    workers stopped    nothing looks at the database in the background any more
    pool closed        and the process ends with 0

What is left when the time for requests is over is cut off with a 503, and counted in the log.
How long each stage may take is in `lab.chirps.drain`. A second SIGTERM changes nothing: who is
in a hurry has SIGKILL. Routing needs longer than this to learn that a pod is leaving: that
time is given before SIGTERM, by the platform (preStop).
"""

import asyncio
import logging
import signal
import socket
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import uvicorn
from typing_extensions import override

from lab.chirps import bounded
from lab.chirps.bounded import LastResort
from lab.chirps.drain import CLOSE_POOL_S, END_S, STOP_WORKERS_S, Budget, Drain

logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)
# A connection that is open and idle may have a request on the way to it.
LINGER_S = 1.0
LOOK_EVERY_S = 0.02


class Stages:
    """Logs what was reached, with the time since the first one."""

    def __init__(self) -> None:
        self._began: float | None = None

    def reach(self, stage: str, **facts: object) -> None:
        now = time.monotonic()
        self._began = now if self._began is None else self._began
        ms = round((now - self._began) * 1000, 1)
        logger.info("shutdown", extra={"stage": stage, "ms": ms, **facts})


@contextmanager
def leaving_at_once() -> Iterator[None]:
    """End with 0 by SIGTERM while there is nothing to finish yet; when all is done, ignore it.

    In between the server's stages take it. By default the first process of a container would
    not hear it at all, and any other would die of it with what looks like a crash.
    """
    before = signal.signal(signal.SIGTERM, leave_at_once)
    try:
        yield
    except BaseException:
        signal.signal(signal.SIGTERM, before)
        raise
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def leave_at_once(number: int, frame: object) -> NoReturn:
    raise SystemExit(0)


class Server(uvicorn.Server):
    def __init__(
        self,
        config: uvicorn.Config,
        drain: Drain,
        stages: Stages,
        *,
        graceful_s: float,
        last_resort: LastResort | None = None,
    ) -> None:
        super().__init__(config)
        self._drain = drain
        self._stages = stages
        self._budget = Budget(graceful_s)
        self._last_resort = last_resort or LastResort()

    @override
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Turn SIGTERM and SIGINT into the stages; the process ends with 0, not of a signal.

        They stay caught when serving is over: a second one must not end the stages after it.
        The loop lets go of them when it is closed.
        """
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self.leave, number)
        yield

    def leave(self, number: int) -> None:
        """Begin the first stage; the server's main loop sees it within 0.1 s and goes on."""
        self._begin(signal=signal.Signals(number).name)
        self.should_exit = True

    def _begin(self, **facts: object) -> float:
        """Return when it began, which only the first call decides."""
        now = time.monotonic()
        if self._drain.begin(now):
            self._stages.reach("draining", **facts)
            self._last_resort.within(self._budget.whole_s)
        elif facts:
            logger.info("told again", extra=facts)
        return now if self._drain.told is None else self._drain.told

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        deadline = self._begin() + self._budget.cut_off_s
        await self._stop_accepting(sockets or [])
        await self._wait_until_quiet(min(deadline, time.monotonic() + LINGER_S))
        for connection in list(self.server_state.connections):
            connection.shutdown()  # ends it when idle, else after its answer
        await self._wait_until_quiet(deadline)
        await self._cut_off()

    async def _stop_accepting(self, sockets: list[socket.socket]) -> None:
        # The kernel has accepted what waits in the queue; closing would reset it.
        await asyncio.sleep(0)
        for server in self.servers:
            server.close()
        for listener in sockets:
            listener.close()
        self._stages.reach("not accepting", connections=len(self.server_state.connections))

    async def _wait_until_quiet(self, deadline: float) -> None:
        # Polled, because uvicorn keeps plain sets and tells nobody when one gets empty.
        while self._is_busy() and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_EVERY_S)

    def _is_busy(self) -> bool:
        return bool(self.server_state.connections or self.server_state.tasks)

    async def _cut_off(self) -> None:
        """Cancel what is left, and a second time what clings to a database that is away."""
        left = list(self.server_state.tasks)
        until = time.monotonic()
        for _ in range(2):
            for task in list(self.server_state.tasks):
                task.cancel()
            until += self._budget.last_word_s / 2
            if left:
                await self._wait_until_quiet(until)
        self._stages.reach("finished", cut_off=len(left), unanswered=len(self.server_state.tasks))


async def end(
    workers: Sequence[bounded.Task],
    close_pool: Callable[[], Coroutine[Any, Any, None]],
    stages: Stages,
    last_resort: LastResort,
) -> None:
    """Go through the stages that come after serving, each in its time."""
    hung = await bounded.stop(workers, STOP_WORKERS_S)
    stages.reach("workers stopped", hung=len(hung))
    await bounded.ended(asyncio.create_task(close_pool()), CLOSE_POOL_S)
    stages.reach("pool closed")
    last_resort.within(END_S)
    # asyncio would wait for what was left behind, however long that takes.
    await bounded.stop(asyncio.all_tasks() - {asyncio.current_task()}, END_S / 2)
