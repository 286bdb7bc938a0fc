"""One TCP connection that carries one request at a time."""

import asyncio
import time
from typing import cast

from typing_extensions import override

from lab.observer.answers import Answer, Malformed


class Ended(Exception):
    """The connection ended before the answer did; `began` tells whether any of it came."""

    def __init__(self, *, began: bool) -> None:
        super().__init__("after the first byte" if began else "before the first byte")
        self.began = began


class Connection(asyncio.Protocol):
    """A connection; `number` tells it from all others of its transport.

    `first` is when the first byte of the present answer came, in ns of CLOCK_MONOTONIC.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.first: int | None = None
        self.usable = False
        self._answer: Answer | None = None
        self._waiting: asyncio.Future[Answer] | None = None

    async def ask(self, request: bytes) -> Answer:
        """Send the request and return its whole answer; raises Ended or Malformed."""
        self.first = None
        self._answer = Answer()
        if not self.usable:
            raise Ended(began=False)
        self._waiting = asyncio.get_running_loop().create_future()
        self._link.write(request)
        try:
            return await self._waiting
        finally:
            self._waiting = self._answer = None

    def close(self) -> None:
        """Close it; at once, with what may still be in its way."""
        self.usable = False
        self._link.abort()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._link = cast(asyncio.Transport, transport)
        self.usable = True

    @override
    def data_received(self, data: bytes) -> None:
        answer, waiting = self._answer, self._waiting
        if answer is None or waiting is None or waiting.done():
            # Bytes that nobody asked for: what follows them cannot be told apart from them.
            self.close()
            return
        if self.first is None:
            self.first = time.monotonic_ns()
        try:
            answer.feed(data)
        except Malformed as exc:
            self.usable = False
            waiting.set_exception(exc)
            return
        if answer.complete:
            self.usable = self.usable and answer.keeps_open
            waiting.set_result(answer)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.usable = False
        answer, waiting = self._answer, self._waiting
        if answer is None or waiting is None or waiting.done():
            return
        # Only a close in good order ends an answer that has no length.
        if exc is None and answer.end():
            waiting.set_result(answer)
        else:
            waiting.set_exception(Ended(began=self.first is not None))
