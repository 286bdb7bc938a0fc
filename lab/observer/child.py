"""A worker process of the observer, and how it is told to end.

A worker ends when its standard input closes. So the server ends it by closing a pipe, and
a server that is killed leaves no worker behind. What was written into the pipe before is
why it ends, if that is not that somebody asked for it.
"""

import asyncio
import contextlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LAST_WORDS = 2000


class Stop(asyncio.Event):
    """Set when a worker is to end; then `reason` tells why, unless it was simply asked to."""

    reason = ""


@dataclass(slots=True)
class Child:
    """One worker that was started."""

    name: str
    process: asyncio.subprocess.Process
    log: Path

    @property
    def is_running(self) -> bool:
        return self.process.returncode is None

    def ask_to_end(self, reason: str = "") -> None:
        if self.process.stdin:
            self.process.stdin.write(reason.encode())
            self.process.stdin.close()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()

    async def wait(self) -> str | None:
        """Return None when it ended well, else what became of it."""
        status = await self.process.wait()
        if status == 0:
            return None
        how = f"was killed by signal {-status}" if status < 0 else f"ended with {status}"
        return f"{self.name} {how}{_last_words(self.log)}"


async def start(name: str, directory: Path) -> Child:
    """Start `python -m lab.observer NAME --dir DIRECTORY`; its errors are kept beside its file."""
    log = directory / f"{name}.log"
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "lab.observer", name, "--dir", str(directory)),
            stdin=asyncio.subprocess.PIPE,
            stdout=errors,
            stderr=errors,
        )
    return Child(name, process, log)


async def until_asked_to_end(stop: Stop) -> None:
    """Set `stop` and its reason when standard input closes; for the worker's side."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    stop.reason = (await reader.read()).decode()
    stop.set()


def raise_priority(nice: int) -> dict[str, Any]:
    """Ask for more of the CPU than others get; return what was asked and whether it was given."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, nice)
    return {"nice": os.getpriority(os.PRIO_PROCESS, 0), "nice_wanted": nice}


def _last_words(log: Path) -> str:
    with contextlib.suppress(OSError):
        words = log.read_bytes()[-LAST_WORDS:].decode(errors="replace").strip()
        return f": {words.splitlines()[-1]}" if words else ""
    return ""
