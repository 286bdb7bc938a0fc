"""A fake API server: lists and watches on the loopback, that end as a test wants."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Refuse:
    """An answer that is no success."""

    status: int
    message: str = "no"


@dataclass(frozen=True, slots=True)
class Listing:
    version: str
    items: tuple[Object, ...] = ()


@dataclass(frozen=True, slots=True)
class Watching:
    """Events, and how the watch ends: `close` in good order, `break`, or `hold` it open."""

    events: tuple[Object, ...] = ()
    end: str = "close"
    raw: bytes = b""


Step = Refuse | Listing | Watching


@dataclass(slots=True)
class FakeApi:
    """Answers by the steps it was given, and holds the next watch open when none is left."""

    steps: list[Step]
    url: str = ""
    asked: list[Mapping[str, str]] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    done: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when all steps were taken."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the test ends; whatever is held open is let go."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(dict(request.query))
        self.paths.append(request.path)
        self.tokens.append(request.headers.get("Authorization"))
        step = self.steps.pop(0) if self.steps else Watching(end="hold")
        match step:
            case Refuse(status, message):
                return web.json_response({"kind": "Status", "message": message}, status=status)
            case Listing(version, items):
                content = {"metadata": {"resourceVersion": version}, "items": list(items)}
                return web.json_response(content)
            case Watching():
                return await self._watch(request, step)

    async def _watch(self, request: web.Request, step: Watching) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        for event in step.events:
            await response.write(json.dumps(event).encode() + b"\n")
        if step.raw:
            await response.write(step.raw)
        if step.end == "hold":
            if not self.steps:
                self.done.set()
            await self.over.wait()
        if step.end == "break":
            assert request.transport is not None
            request.transport.close()
        return response


@asynccontextmanager
async def api_server(*steps: Step, tls: ssl.SSLContext | None = None) -> AsyncIterator[FakeApi]:
    api = FakeApi(list(steps))
    app = web.Application()
    app.router.add_get("/{path:.*}", api.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    api.url = f"http{'s' if tls else ''}://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield api
    finally:
        api.over.set()
        await runner.cleanup()


def event(change: str, found: Object) -> Object:
    return {"type": change, "object": found}


def bookmark(version: str) -> Object:
    return event("BOOKMARK", {"metadata": {"resourceVersion": version}})


def pod(name: str, version: str, *, ready: bool = True, **labels: str) -> Object:
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "resourceVersion": version},
        "spec": {"nodeName": "n3"},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }
