"""What is known afterwards of every answer: a line in the log and a count.

A line is a warning for 5xx, with release and SQLSTATE, and debug otherwise: at sixty requests
a second nobody reads the good ones, and writing them costs more than answering.
"""

import logging
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger(__name__)

SQLSTATE = "chirps.sqlstate"


@dataclass(slots=True)
class Tally:
    """Answers by (endpoint, status, SQLSTATE or nothing), and seconds spent by endpoint."""

    answers: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    in_flight: int = 0


class Accounts:
    def __init__(self, app: ASGIApp, tally: Tally, release: str) -> None:
        self._app = app
        self._tally = tally
        self._release = release

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # An answer that never began: the client is gone, or the program has a bug.
        status = 0

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        began = time.perf_counter()
        self._tally.in_flight += 1
        try:
            await self._app(scope, receive, send_and_note)
        finally:
            self._tally.in_flight -= 1
            self._enter(scope, status, time.perf_counter() - began)

    def _enter(self, scope: Scope, status: int, seconds: float) -> None:
        endpoint = endpoint_of(scope)
        sqlstate = scope.get(SQLSTATE)
        self._tally.answers[endpoint, status, sqlstate or ""] += 1
        self._tally.seconds[endpoint] += seconds
        level = logging.WARNING if status >= 500 or status == 0 else logging.DEBUG
        if logger.isEnabledFor(level):
            logger.log(
                level,
                "request",
                extra={
                    "endpoint": endpoint,
                    "method": scope["method"],
                    "path": scope["path"],
                    "status": status,
                    "sqlstate": sqlstate,
                    "release": self._release,
                    "ms": round(seconds * 1000, 1),
                },
            )


def endpoint_of(scope: Scope) -> str:
    route = scope.get("route")
    return "unknown" if route is None else str(route.name)
