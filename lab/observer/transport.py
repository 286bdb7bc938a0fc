"""Carry one request to the service and say what became of it: once, whatever happens.

Kubernetes chooses a pod for each connection, not for each request. So there are two ways:
a connection of its own is an unbiased sample of what the Service offers at that moment; a
connection that is kept stays with its pod, as those of most real clients do.

A kept connection that is busy does not make the next request wait, or a slow service
would slow the load: that request gets a connection of its own instead, as a browser does.
Nothing is tried twice and no redirect is followed: a retry is a second opinion.
"""

import asyncio
import itertools
import json
import time
from typing import Any, Self
from urllib.parse import urlsplit

from lab.observer import outcomes
from lab.observer.answers import Malformed
from lab.observer.connection import Connection, Ended
from lab.observer.operations import Operation
from lab.observer.outcomes import Outcome


class Exchange:
    """What became of one request; times are nanoseconds of CLOCK_MONOTONIC, None if not reached.

    `first` is when the first byte of the answer came. Not a dataclass: one is made for each
    request and filled in step by step.
    """

    __slots__ = (
        "conn",
        "connected",
        "content",
        "done",
        "first",
        "headers",
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
        self.headers: dict[str, str] = {}
        self.content: bytes | bytearray = b""
        self.conn: int | None = None
        self.reused = False

    def header(self, name: str) -> str | None:
        return self.headers.get(name)

    def field(self, name: str) -> Any:
        """Return a field of the answer's JSON, None when there is none."""
        answer = decode(self.content)
        return answer.get(name) if isinstance(answer, dict) else None

    def as_line(self) -> dict[str, Any]:
        """Return what every line about a request says of it, in the order of the line."""
        headers = self.headers
        schema = headers.get("x-chirps-schema")
        return {
            "sent": self.sent,
            "connected": self.connected,
            "first": self.first,
            "done": self.done,
            "outcome": self.outcome,
            "status": self.status,
            "sqlstate": self.field("sqlstate") if self.outcome is not Outcome.OK else None,
            "release": headers.get("x-chirps-version"),
            "pod": headers.get("x-chirps-pod"),
            "node": headers.get("x-chirps-node"),
            "schema": int(schema) if schema and schema.isdecimal() else None,
            "draining": headers.get("x-chirps-draining") == "true",
            "conn": self.conn,
            "reused": self.reused,
        }


class _Place:
    """The place of one kept connection."""

    __slots__ = ("busy", "connection")

    def __init__(self) -> None:
        self.busy = False
        self.connection: Connection | None = None


class Transport:
    """Connections to one target, `http://ADDRESS:PORT`; use as an asynchronous context manager."""

    def __init__(
        self, target: str, *, kept: int, connect_timeout_s: float, total_timeout_s: float
    ) -> None:
        url = urlsplit(target)
        self._host, self._port = str(url.hostname), url.port or 80
        self._host_header = url.netloc
        self._connect_timeout_s = connect_timeout_s
        self._total_timeout_s = total_timeout_s
        self._numbers = itertools.count(1)
        self._places = [_Place() for _ in range(kept)]
        self._turn = itertools.cycle(self._places)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for place in self._places:
            if place.connection:
                place.connection.close()

    async def fresh(
        self, operation: Operation, request_id: str, exchange: Exchange | None = None
    ) -> Exchange:
        """Send on a connection of its own; never raises for what network or service do.

        `exchange` is filled in and returned, if its sender has begun it.
        """
        exchange = exchange or Exchange()
        request = self._spell(operation, request_id, keep=False)
        connection = await self._exchange(exchange, request, None)
        if connection:
            connection.close()
        return exchange

    async def keepalive(
        self, operation: Operation, request_id: str, exchange: Exchange | None = None
    ) -> Exchange:
        """Send on the kept connection whose turn it is, or on one of its own when that is busy."""
        exchange = exchange or Exchange()
        place = next(self._turn)
        if place.busy:
            return await self.fresh(operation, request_id, exchange)
        request = self._spell(operation, request_id, keep=True)
        kept = place.connection
        place.busy = True
        try:
            usable = kept if kept and kept.usable else None
            place.connection = await self._exchange(exchange, request, usable)
        finally:
            place.busy = False
        return exchange

    async def _exchange(
        self, exchange: Exchange, request: bytes, connection: Connection | None
    ) -> Connection | None:
        """Fill in the exchange; return the connection, if there was one."""
        exchange.reused = connection is not None
        try:
            async with asyncio.timeout(self._total_timeout_s):
                connection = connection or await self._connect()
                exchange.connected = time.monotonic_ns()
                exchange.conn = connection.number
                answer = await connection.ask(request)
        except (OSError, Ended, Malformed) as exc:
            exchange.done = time.monotonic_ns()
            exchange.outcome = outcomes.of_error(exc, connected=exchange.connected is not None)
            if connection:
                connection.close()
        else:
            assert answer.status is not None
            exchange.done = time.monotonic_ns()
            exchange.outcome = outcomes.of_status(answer.status)
            exchange.status, exchange.headers = answer.status, answer.headers
            exchange.content = answer.body
        exchange.first = connection.first if connection else None
        return connection

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._connect_timeout_s):
            _, connection = await loop.create_connection(
                lambda: Connection(next(self._numbers)), self._host, self._port
            )
        return connection

    def _spell(self, operation: Operation, request_id: str, *, keep: bool) -> bytes:
        head = [
            f"{operation.method} {operation.path} HTTP/1.1",
            f"Host: {self._host_header}",
            f"X-Request-Id: {request_id}",
            *(f"{name}: {value}" for name, value in operation.headers.items()),
        ]
        if not keep:
            head.append("Connection: close")
        if operation.body is not None:
            head.append(f"Content-Length: {len(operation.body)}")
        return ("\r\n".join(head) + "\r\n\r\n").encode("latin-1") + (operation.body or b"")


def decode(content: bytes | bytearray) -> Any:
    """Return the JSON of an answer, None when it is none: a proxy's page also is an answer."""
    try:
        return json.loads(content)
    except ValueError:
        return None
