"""Hand one frame to many viewers, each as fast as it can take them.

A frame is written as JSON once, whoever looks on. A viewer that has the one before gets what has
changed, any other all of it: one that is slow skips what it has missed, and nothing is kept for it
meanwhile.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from lab.live.delta import diff

MOST_VIEWERS = 200
# A browser that is gone is noticed when something is written to it.
KEEP_ALIVE_S = 10.0


@dataclass(slots=True)
class Hub:
    """The newest frame, and who is looking on; `version` counts frames."""

    version: int = 0
    viewers: int = 0
    is_closed: bool = False
    _frame: Any = None
    _whole: bytes | None = None
    _patch: bytes = b""
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def show(self, frame: Any) -> None:
        """Make `frame` the newest, unless it is the same as before."""
        patch = diff(self._frame, frame)
        if patch is None:
            return
        self._frame, self._whole = frame, None
        self.version += 1
        self._patch = message("patch", patch, self.version)
        async with self._news:
            self._news.notify_all()

    async def close(self) -> None:
        """Let all viewers go."""
        self.is_closed = True
        async with self._news:
            self._news.notify_all()

    @property
    def is_full(self) -> bool:
        return self.viewers >= MOST_VIEWERS

    async def messages(self) -> AsyncIterator[bytes]:
        """Yield server-sent events until nobody takes them any more."""
        self.viewers += 1
        seen = -1
        try:
            while True:
                is_news = await self._wait(seen)
                if self.is_closed:
                    return
                if not is_news:
                    yield b": nothing new\n\n"
                    continue
                is_next = seen == self.version - 1 and seen > 0
                content, seen = self._patch if is_next else self._all(), self.version
                yield content
        finally:
            self.viewers -= 1

    async def _wait(self, seen: int) -> bool:
        """Wait a while for a frame other than `seen`, and tell whether there is one."""
        try:
            async with asyncio.timeout(KEEP_ALIVE_S), self._news:
                await self._news.wait_for(lambda: self.is_closed or self.version not in (0, seen))
        except TimeoutError:
            return False
        return True

    def _all(self) -> bytes:
        if self._whole is None:
            self._whole = message("whole", self._frame, self.version)
        return self._whole


def message(event: str, value: Any, number: int) -> bytes:
    """Return a server-sent event: https://html.spec.whatwg.org/multipage/server-sent-events.html."""
    # No line can end within: JSON escapes them.
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return f"id: {number}\nevent: {event}\ndata: {text}\n\n".encode()
