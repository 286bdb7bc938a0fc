"""How does the server stop, so that nobody who was let in is turned away?

uvicorn's own end closes connections that are idle the moment it is told to stop, also those
on which a request is just arriving, and then dies of the signal. This one leaves in stages,
each logged with the milliseconds since SIGTERM:

    draining         every answer says so and closes its connection; /readyz is 503
    not accepting    the listening socket is closed, what it had accepted is taken
    finished         requests have ended, and connections without one have had LINGER_S
                     to bring one; at most `graceful_s` altogether

What is left then is cut off with a 503, and counted in the log. Routing needs longer than
this to learn that a pod is leaving: that time is given before SIGTERM, by the platform
(preStop).
"""

import asyncio
import logging
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from typing_extensions import override

from lab.chirps.drain import Drain

logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)
# A connection that is open and idle may have a request on the way to it.
LINGER_S = 1.0
# What was cut off takes back its statement and answers.
LAST_WORD_S = 1.0
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


class Server(uvicorn.Server):
    def __init__(
        self, config: uvicorn.Config, drain: Drain, stages: Stages, *, graceful_s: float
    ) -> None:
        super().__init__(config)
        self._drain = drain
        self._stages = stages
        self._graceful_s = graceful_s

    @override
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Turn SIGTERM and SIGINT into the stages; the process ends with 0, not of a signal."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self.leave, number)
        try:
            yield
        finally:
            for number in SIGNALS:
                loop.remove_signal_handler(number)

    def leave(self, number: int) -> None:
        """Begin the first stage; the server's main loop sees it within 0.1 s and goes on."""
        if not self._drain.draining:
            self._drain.draining = True
            self._stages.reach("draining", signal=signal.Signals(number).name)
        self.should_exit = True

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        deadline = time.monotonic() + self._graceful_s
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
        left = list(self.server_state.tasks)
        for task in left:
            task.cancel()
        if left:
            await self._wait_until_quiet(time.monotonic() + LAST_WORD_S)
        self._stages.reach("finished", cut_off=len(left))
