"""Run a process in the place of a container: when does it serve, what does it say, how does it end?

A thread of its own starts it, reads what it writes and waits for its end, so neither a slow
disk nor a slow start holds up the event loop, in which connections are being balanced.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Protocol

from lab.twin.tether import send_signal, tethered

CHIRPS = (sys.executable, "-P", "-m", "lab.chirps")
GRACE_S = 1.0
"""How long a process may take to end by itself when the world is gone."""
LAST_LINES = 20
# It has closed its output by then, and that is the end of a process, but for some ms.
REAP_EVERY_S = 0.005
OURS = ("PG", "CHIRPS_")
SIGNALLED = 128


class Container(Protocol):
    """A started process; `port` is where it serves, None before it does."""

    port: int | None

    @property
    def pid(self) -> int | None: ...

    async def wait(self) -> int:
        """Return its exit code when it has ended, 128 + n when signal n ended it."""
        ...

    def signal(self, number: int) -> None:
        """Send a signal; nothing happens when it has ended."""
        ...

    def last_words(self) -> str:
        """Return the last line it wrote."""
        ...


class Process:
    """A Container. `port` is known from the line `serving` of the service's log.

    All it writes goes to `log`; when that cannot be written any more, `lost` is told why, and
    the process goes on without. `changed` is called when it serves.
    """

    def __init__(
        self,
        argv: Sequence[str],
        variables: Mapping[str, str],
        log: Path,
        *,
        nice: int = 0,
        alive: Path | None = None,
        changed: Callable[[], None],
        lost: Callable[[str], None],
    ) -> None:
        self._command = tethered(argv, grace_s=GRACE_S, nice=nice, alive=alive)
        self._variables = variables
        self._log = log
        self._changed = changed
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self._process: subprocess.Popen[bytes] | None = None
        self._waiting: list[int] = []
        self._lock = threading.Lock()
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        self.port: int | None = None
        threading.Thread(target=self._run, name=log.stem, daemon=True).start()

    @property
    def pid(self) -> int | None:
        """The id of its tether, which leads its process group."""
        return self._process.pid if self._process else None

    async def wait(self) -> int:
        # Whoever stops waiting must not take the end from the others.
        return await asyncio.shield(self._ended)

    def signal(self, number: int) -> None:
        with self._lock:
            if self._process is None:
                # Not yet, or not any more: then nobody takes it.
                self._waiting.append(number)
            else:
                send_signal(self._process.pid, number)

    def last_words(self) -> str:
        return next(reversed(self._last), "")

    def _run(self) -> None:
        """Of the thread: start, read to the end, reap."""
        try:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment(os.environ, self._variables),
                # The tether sees to it as well, but a signal may come before that.
                start_new_session=True,
            )
        except OSError as exc:
            self._last.append(f"{self._command[0]} cannot be started: {exc.strerror}")
            self._end(SIGNALLED - 1)
            return
        with process:
            self._begin(process)
            assert process.stdout is not None
            self._read(process.stdout)
            status = self._reap(process)
        self._end(status if status >= 0 else SIGNALLED - status)

    def _reap(self, process: "subprocess.Popen[bytes]") -> int:
        """Wait with the lock free, reap with it held: its number may go to another process then."""
        while True:
            with self._lock:
                if (status := process.poll()) is not None:
                    self._process = None
                    return status
            time.sleep(REAP_EVERY_S)

    def _begin(self, process: "subprocess.Popen[bytes]") -> None:
        with self._lock:
            self._process = process
            for number in self._waiting:
                send_signal(process.pid, number)

    def _read(self, written: IO[bytes]) -> None:
        with contextlib.ExitStack() as open_files:
            log = None
            try:
                log = open_files.enter_context(self._log.open("wb", buffering=0))
            except OSError as exc:
                self._tell_lost(exc)
            for line in written:
                self._hear(line)
                if log is None:
                    continue
                try:
                    log.write(line)
                except OSError as exc:
                    log = None
                    self._tell_lost(exc)

    def _hear(self, line: bytes) -> None:
        self._last.append(line.decode(errors="replace").rstrip())
        if self.port is None and b'"serving"' in line:
            with contextlib.suppress(ValueError, LookupError, TypeError):
                said = json.loads(line)
                if said["event"] == "serving":
                    self.port = int(said["port"])
                    self._call(self._changed)

    def _tell_lost(self, error: OSError) -> None:
        reason = f"{self._log}: {error.strerror}"
        self._call(lambda: self._lost(reason))

    def _end(self, code: int) -> None:
        def end() -> None:
            if not self._ended.done():
                self._ended.set_result(code)

        self._call(end)

    def _call(self, what: Callable[[], None]) -> None:
        # The loop is closed when the world ends without waiting for this process.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(what)


def environment(environ: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """Return this process's own variables, without those that would set up the service."""
    kept = {name: value for name, value in environ.items() if not name.startswith(OURS)}
    return {**kept, "PYTHONUNBUFFERED": "1", **given}
