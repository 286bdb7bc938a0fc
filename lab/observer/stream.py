"""Append lines of JSON to a file without ever making their author wait for a disk.

One thread writes what has come together each quarter of a second, and makes it durable
once a second. So a crash costs less than a second of lines, and every file is a prefix
of what happened. Every line has `kind` and `t`, nanoseconds of CLOCK_MONOTONIC.
"""

import collections
import json
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

WRITE_EVERY_S = 0.25
SYNC_EVERY_S = 1.0

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class StreamFailed(OSError):
    """Lines could not be written; what the stream holds is not all that happened."""


class Stream:
    """One file of lines, opened by a `stream` line and ended by a `closed` line.

    `write` may be called from one thread, which never waits. `facts` go into the first line,
    whose time is `began`.
    """

    def __init__(self, path: Path, *, run: str, instance: str, **facts: Any) -> None:
        self.name = path.stem
        self._lines = 0
        self._waiting: collections.deque[str] = collections.deque()
        self._end = threading.Event()
        self._error: OSError | None = None
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        self._descriptor = os.open(path, flags, 0o644)
        about = {"stream": self.name, "run": run, "instance": instance}
        self.began = time.monotonic_ns()
        self.write({"kind": "stream", "t": self.began, **about, **facts})
        self._thread = threading.Thread(target=self._keep_writing, name=f"stream {self.name}")
        self._thread.start()

    def write(self, line: Mapping[str, Any]) -> None:
        """Append the line soon; raises StreamFailed once lines can no longer be written."""
        if self._error:
            raise StreamFailed(f"stream {self.name} cannot be written") from self._error
        self._waiting.append(_encode(line))
        self._lines += 1

    def close(self) -> None:
        """Write the `closed` line, which counts all lines with itself, and make all durable."""
        count = self._lines + 1
        closed = {"kind": "closed", "t": time.monotonic_ns(), "stream": self.name, "lines": count}
        try:
            self.write(closed)
        finally:
            self.abandon()
        if self._error:
            raise StreamFailed(f"stream {self.name} cannot be written") from self._error

    def abandon(self) -> None:
        """End without the `closed` line, so that a reader knows that something is missing."""
        self._end.set()
        self._thread.join()
        os.close(self._descriptor)

    def _keep_writing(self) -> None:
        synced = time.monotonic()
        try:
            while not self._end.wait(WRITE_EVERY_S):
                self._write_waiting()
                if time.monotonic() - synced >= SYNC_EVERY_S:
                    os.fsync(self._descriptor)
                    synced = time.monotonic()
            self._write_waiting()
            os.fsync(self._descriptor)
        except OSError as exc:
            self._error = exc

    def _write_waiting(self) -> None:
        # Each end of a deque may be used by another thread; a swapped list would lose a line.
        lines = [self._waiting.popleft() for _ in range(len(self._waiting))]
        rest = memoryview("".join(f"{line}\n" for line in lines).encode())
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
