"""Read commands from standard input and write lines to standard output, never holding up a loop.

A thread each: a reader who is slow, or a writer who waits, must not stop the balancer.
"""

import asyncio
import contextlib
import json
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

FLUSH_S = 2.0
CHUNK = 65536

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, default=str).encode


class Output:
    """Writes objects one a line; when nobody can read them any more, `closed` is called once."""

    def __init__(self, closed: Callable[[], None], descriptor: int | None = None) -> None:
        self._closed = closed
        self._descriptor = sys.stdout.fileno() if descriptor is None else descriptor
        self._waiting: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._keep_writing, name="output", daemon=True)
        self._thread.start()

    def write(self, line: Mapping[str, Any]) -> None:
        self._waiting.put(f"{_encode(line)}\n".encode())

    def close(self) -> None:
        """Write what is waiting, if somebody reads it soon."""
        self._waiting.put(None)
        self._thread.join(FLUSH_S)

    def _keep_writing(self) -> None:
        while (line := self._waiting.get()) is not None:
            rest = memoryview(line)
            try:
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
            except OSError:
                self._closed()
                return


def read_lines(heard: Callable[[bytes | None], None], descriptor: int = 0) -> None:
    """Hand on each line of standard input in the running loop, and None at its end."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        # The loop may be closed by then: nobody wants to know any more.
        with contextlib.suppress(RuntimeError):
            for line in _lines(descriptor):
                loop.call_soon_threadsafe(heard, line)
            loop.call_soon_threadsafe(heard, None)

    threading.Thread(target=read, name="input", daemon=True).start()


def _lines(descriptor: int) -> Iterator[bytes]:
    """Yield whole lines until the end; not by sys.stdin, whose lock an exit would wait for."""
    rest = b""
    with contextlib.suppress(OSError):
        while chunk := os.read(descriptor, CHUNK):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines
