"""The load of one run: both transport streams, the sessions, and the client's own health."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from lab.observer import operations, schedule
from lab.observer.health import Health
from lab.observer.openloop import launch_when_due
from lab.observer.order import InOrder
from lab.observer.outcomes import Outcome
from lab.observer.schedule import Planned
from lab.observer.sessions import converse
from lab.observer.spec import LoadSpec
from lab.observer.transport import Exchange, Transport

HEAD_START_NS = 100_000_000
HEALTH_EVERY_S = 1.0

Write = Callable[[Mapping[str, Any]], None]
Perform = Callable[[Planned, int], Awaitable[None]]


class Load:
    """Requests and sessions of a spec, carried by `transport`, told to `write` as lines."""

    def __init__(
        self, spec: LoadSpec, transport: Transport, write: Write, *, health: Health
    ) -> None:
        self._spec = spec
        self._transport = transport
        self._write = write
        self._health = health
        self._requests = InOrder(write)
        self._sessions = InOrder(write)
        self._running: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None

    async def run(
        self, requests: Iterable[Planned], sessions: Iterable[Planned], stop: asyncio.Event
    ) -> None:
        """Start what is due until `stop` or until both plans end, then wait for the rest.

        Raises what a request raised that is no failure of network or service.
        """
        start = time.monotonic_ns() + HEAD_START_NS
        telling = asyncio.create_task(self._tell_health())
        plans = [
            asyncio.create_task(launch_when_due(plan, start=start, launch=launch))
            for plan, launch in ((requests, self._request), (sessions, self._session))
        ]
        stopping = asyncio.create_task(stop.wait())
        planned = asyncio.create_task(_all_ended(plans))
        await asyncio.wait({stopping, planned, telling}, return_when=asyncio.FIRST_COMPLETED)
        await _cancel(stopping, planned, *plans)
        while self._running:
            await asyncio.wait(self._running)
        await _cancel(telling)
        self._write(self._health.line())
        for task in (telling, *plans):
            self._note_failure(task)
        if self._failure:
            raise self._failure

    def _request(self, planned: Planned, due: int) -> None:
        self._health.planned += 1
        if self._health.in_flight >= self._spec.in_flight_cap:
            self._health.cap_reached = True
            operation = operations.operation(self._spec, planned)
            self._put_request(planned, due, operation, Exchange())
            return
        # Counted here and not by the task: many may be due before the first of them begins.
        self._health.sent += 1
        self._begin(self._perform_request(planned, due))

    async def _perform_request(self, planned: Planned, due: int) -> None:
        exchange = Exchange()
        self._health.note_lag(exchange.sent - due)
        operation = operations.operation(self._spec, planned)
        carry = (
            self._transport.keepalive
            if planned.stream == schedule.Transport.KEEPALIVE
            else self._transport.fresh
        )
        await carry(operation, self._request_id(planned), exchange)
        self._health.done += 1
        if exchange.outcome is Outcome.CLIENT_CAP:
            self._health.cap_reached = True
        self._put_request(planned, due, operation, exchange)

    def _put_request(
        self, planned: Planned, due: int, operation: operations.Operation, exchange: Exchange
    ) -> None:
        line = {
            "kind": "request",
            "t": due,
            "seq": planned.seq,
            "stream": planned.stream,
            "endpoint": planned.endpoint,
            **exchange.as_line(),
            "id": self._request_id(planned),
        }
        if operation.ref:
            line["ref"], line["chirp"] = operation.ref, exchange.field("id")
        self._requests.put(planned.seq, line)

    def _session(self, planned: Planned, due: int) -> None:
        self._begin(self._perform_session(planned, due))

    async def _perform_session(self, planned: Planned, due: int) -> None:
        line = await converse(self._spec, self._transport, planned)
        about = {"kind": "session", "t": due, "seq": planned.seq, "done": time.monotonic_ns()}
        self._sessions.put(planned.seq, {**about, **line})

    def _request_id(self, planned: Planned) -> str:
        return f"{self._spec.run}-{planned.seq}"

    def _begin(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._note_failure(task)

    def _note_failure(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            self._failure = self._failure or error

    async def _tell_health(self) -> None:
        while not self._failure:
            await asyncio.sleep(HEALTH_EVERY_S)
            self._write(self._health.line())
            # Collected when it suits the schedule: what is young, once a second.
            gc.collect(0)


async def _all_ended(tasks: Iterable[asyncio.Task[None]]) -> None:
    await asyncio.wait(tasks)


async def _cancel(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
