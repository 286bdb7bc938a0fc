"""The observer as a real process on the loopback."""

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

Lines = list[dict[str, Any]]


@dataclass(slots=True)
class Observer:
    url: str
    directory: Path
    pid: int
    session: aiohttp.ClientSession
    lines: dict[str, Lines] = field(default_factory=dict)
    offsets: Counter[str] = field(default_factory=Counter)

    async def ask(self, method: str, path: str, content: Any = None) -> Any:
        data = None if content is None else json.dumps(content)
        async with self.session.request(method, self.url + path, data=data) as response:
            assert response.status < 300, await response.text()
            return await response.json()

    async def state(self, *wanted: str) -> Any:
        async with asyncio.timeout(40):
            while True:
                health = await self.ask("GET", "/healthz")
                if health["state"] in wanted:
                    return health
                await asyncio.sleep(0.02)

    async def ended(self, worker: str) -> None:
        async with asyncio.timeout(40):
            while True:
                if worker not in (await self.ask("GET", "/healthz"))["processes"]:
                    return
                await asyncio.sleep(0.02)

    async def read(self, stream: str = "load") -> Lines:
        """Return all lines so far; what was read before is not read again."""
        lines = self.lines.setdefault(stream, [])
        path = f"/runs/r1/streams/{stream}"
        while piece := await self._piece(f"{path}?offset={self.offsets[stream]}"):
            self.offsets[stream] += len(piece)
            lines += [json.loads(line) for line in piece.splitlines()]
        return lines

    async def _piece(self, path: str) -> bytes:
        async with self.session.get(self.url + path) as response:
            # Before its first line there is no stream.
            return await response.read() if response.status == 200 else b""

    async def requests(self, at_least: int) -> Lines:
        async with asyncio.timeout(40):
            while True:
                found = requests(await self.read())
                if len(found) >= at_least:
                    return found
                await asyncio.sleep(0.05)


def requests(lines: Lines) -> Lines:
    return [line for line in lines if line["kind"] == "request"]


@asynccontextmanager
async def observer(directory: Path, *options: str, **environment: str) -> AsyncIterator[Observer]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lab.observer", "serve", "--dir", str(directory)),
        *("--host", "127.0.0.1", "--port", "0", *options),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )
    assert process.stdout is not None
    try:
        said = (await process.stdout.readline()).decode().strip()
        address = said.removeprefix("listening on ")
        async with aiohttp.ClientSession() as session:
            yield Observer(f"http://{address}", directory, process.pid, session)
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(20):
            await process.wait()
