"""The observer's server in this process, with small programs in place of the workers."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from lab.observer import server
from lab.observer.child import Child
from lab.observer.watchdog import Watchdog

OBEDIENT = "cat >/dev/null"
"""A worker that ends well when its standard input closes."""

Ask = Callable[..., Awaitable[tuple[int, Any, Mapping[str, str]]]]


@asynccontextmanager
async def observer(
    directory: Path, *, watchdog: Watchdog | None = None, **programs: str
) -> AsyncIterator[Ask]:
    """Serve with these shell programs as workers; the others are obedient."""

    async def start(name: str, run: Path) -> Child:
        log = run / f"{name}.log"
        with log.open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                *("/bin/sh", "-c", programs.get(name, OBEDIENT)),
                stdin=asyncio.subprocess.PIPE,
                stderr=errors,
            )
        return Child(name, process, log)

    app = server.make(directory, watchdog=watchdog or Watchdog(), start=start)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with aiohttp.ClientSession() as session:

        async def ask(method: str, path: str, content: Any = None) -> Any:
            data = content if content is None or isinstance(content, str) else json.dumps(content)
            async with session.request(method, url + path, data=data) as response:
                text = await response.text()
                is_json = response.content_type == "application/json"
                return response.status, json.loads(text) if is_json else text, response.headers

        try:
            yield ask
        finally:
            await runner.cleanup()


async def state(ask: Ask, wanted: str) -> dict[str, Any]:
    """Wait until the observer is in that state."""
    async with asyncio.timeout(20):
        while True:
            _, health, _ = await ask("GET", "/healthz")
            if health["state"] == wanted:
                found: dict[str, Any] = health
                return found
            await asyncio.sleep(0.01)


async def workers(ask: Ask, *wanted: str) -> None:
    """Wait until these workers are there and no others."""
    async with asyncio.timeout(20):
        while True:
            _, health, _ = await ask("GET", "/healthz")
            if set(health["processes"]) == set(wanted):
                return
            await asyncio.sleep(0.01)
