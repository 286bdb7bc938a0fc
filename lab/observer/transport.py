"""Carry one request to the service and say what became of it: once, whatever happens.

Kubernetes chooses a pod for each connection, not for each request. So there are two ways:
a connection of its own is an unbiased sample of what the Service offers at that moment; a
connection that is kept stays with its pod, as those of most real clients do.

A kept connection that is busy does not make the next request wait, or a slow service
would slow the load: that request gets a connection of its own instead, as a browser does.
Nothing is tried twice and no redirect is followed: a retry is a second opinion.
"""

import itertools
import json
import time
from collections.abc import Iterator
from typing import Any, Self

import aiohttp
from aiohttp import ClientSession, ClientTimeout, TCPConnector, TraceConfig
from yarl import URL

from lab.observer import outcomes
from lab.observer.operations import Operation
from lab.observer.outcomes import Outcome

KEPT_FOR_S = 300.0


class Exchange:
    """What became of one request; times are nanoseconds of CLOCK_MONOTONIC, None if not reached.

    `first` is when the head of the answer was read. Not a dataclass: one is made for each
    request and filled in step by step.
    """

    __slots__ = (
        "conn",
        "connected",
        "content",
        "done",
        "first",
        "headers",
        "kept",
        "outcome",
        "reused",
        "sent",
        "status",
    )

    def __init__(self) -> None:
        self.sent = time.monotonic_ns()
        self.connected: int | None = None
        self.first: int | None = None
        self.done = self.sent
        self.outcome: Outcome = Outcome.CLIENT_CAP
        self.status: int | None = None
        self.headers: Any = {}
        self.content = b""
        self.conn: int | None = None
        self.reused = False
        self.kept: _Kept | None = None

    def header(self, name: str) -> str | None:
        value: str | None = self.headers.get(name)
        return value

    def field(self, name: str) -> Any:
        """Return a field of the answer's JSON, None when there is none."""
        answer = decode(self.content)
        return answer.get(name) if isinstance(answer, dict) else None

    def as_line(self) -> dict[str, Any]:
        """Return what every line about a request says of it, in the order of the line."""
        schema = self.header("X-Chirps-Schema")
        sqlstate = self.field("sqlstate") if self.outcome is not Outcome.OK else None
        return {
            "sent": self.sent,
            "connected": self.connected,
            "first": self.first,
            "done": self.done,
            "outcome": self.outcome,
            "status": self.status,
            "sqlstate": sqlstate,
            "release": self.header("X-Chirps-Version"),
            "pod": self.header("X-Chirps-Pod"),
            "node": self.header("X-Chirps-Node"),
            "schema": int(schema) if schema and schema.isdecimal() else None,
            "draining": self.header("X-Chirps-Draining") == "true",
            "conn": self.conn,
            "reused": self.reused,
        }


class _Kept:
    """One kept connection's place: a pool of one, and the number of who is in it."""

    __slots__ = ("busy", "conn", "session")

    def __init__(self, session: ClientSession) -> None:
        self.session = session
        self.busy = False
        self.conn: int | None = None


class Transport:
    """Connections to one target, `http://HOST:PORT`; use as an asynchronous context manager."""

    def __init__(
        self, target: str, *, kept: int, connect_timeout_s: float, total_timeout_s: float
    ) -> None:
        self._target = target.rstrip("/")
        self._timeout = ClientTimeout(total=total_timeout_s, connect=connect_timeout_s)
        self._kept_wanted = kept
        self._numbers = itertools.count(1)
        self._trace = self._tracing()

    async def __aenter__(self) -> Self:
        self._fresh = self._session(force_close=True)
        self._kept = [
            _Kept(self._session(force_close=False, keepalive_timeout=KEPT_FOR_S))
            for _ in range(self._kept_wanted)
        ]
        self._turn: Iterator[_Kept] = itertools.cycle(self._kept)
        return self

    async def __aexit__(self, *_: object) -> None:
        for session in (self._fresh, *(kept.session for kept in self._kept)):
            await session.close()

    async def fresh(self, operation: Operation, request_id: str) -> Exchange:
        """Send on a connection of its own; never raises for what network or service do."""
        return await self._exchange(self._fresh, operation, request_id, Exchange())

    async def keepalive(self, operation: Operation, request_id: str) -> Exchange:
        """Send on the kept connection whose turn it is, or on one of its own when that is busy."""
        kept = next(self._turn)
        if kept.busy:
            return await self.fresh(operation, request_id)
        exchange = Exchange()
        exchange.kept = kept
        kept.busy = True
        try:
            return await self._exchange(kept.session, operation, request_id, exchange)
        finally:
            kept.busy = False

    async def _exchange(
        self, session: ClientSession, operation: Operation, request_id: str, exchange: Exchange
    ) -> Exchange:
        try:
            async with session.request(
                operation.method,
                URL(f"{self._target}{operation.path}", encoded=True),
                data=operation.body,
                headers={**operation.headers, "X-Request-Id": request_id},
                allow_redirects=False,
                timeout=self._timeout,
                trace_request_ctx=exchange,
            ) as response:
                exchange.first = time.monotonic_ns()
                exchange.status, exchange.headers = response.status, response.headers
                exchange.content = await response.read()
            exchange.done = time.monotonic_ns()
            exchange.outcome = outcomes.of_status(response.status)
        except (aiohttp.ClientError, OSError) as exc:
            exchange.done = time.monotonic_ns()
            exchange.outcome = outcomes.of_error(
                exc,
                connected=exchange.connected is not None,
                answering=exchange.first is not None,
            )
        return exchange

    def _session(self, **pool: Any) -> ClientSession:
        session = ClientSession(
            # No limit: a request that waits for another one's connection is not sent when due.
            connector=TCPConnector(limit=0, enable_cleanup_closed=False, **pool),
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[self._trace],
            skip_auto_headers=("User-Agent", "Accept-Encoding"),
            auto_decompress=False,
        )
        # aiohttp sends a GET again, unasked, when the server closed a kept connection.
        session._retry_connection = False
        return session

    def _tracing(self) -> TraceConfig:
        async def created(_: ClientSession, context: Any, __: object) -> None:
            exchange: Exchange = context.trace_request_ctx
            exchange.connected = time.monotonic_ns()
            exchange.conn = next(self._numbers)
            if exchange.kept:
                exchange.kept.conn = exchange.conn

        async def reused(_: ClientSession, context: Any, __: object) -> None:
            exchange: Exchange = context.trace_request_ctx
            exchange.connected = time.monotonic_ns()
            exchange.reused = True
            # A place has one connection at a time, so it is the one that was made last.
            exchange.conn = exchange.kept.conn if exchange.kept else None

        trace = TraceConfig()
        trace.on_connection_create_end.append(created)
        trace.on_connection_reuseconn.append(reused)
        return trace


def decode(content: bytes) -> Any:
    """Return the JSON of an answer, None when it is none: a proxy's page also is an answer."""
    try:
        return json.loads(content)
    except ValueError:
        return None
