"""Serve a show on loopback: a page, its assets, a stream of frames, and what acts on the show."""

import asyncio
import contextlib
import errno
import json
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from typing_extensions import override

from lab.errors import BadInput, InvalidValue, LabError, PortTaken
from lab.live import assets
from lab.live.guard import App, Guard, has_token, make_token
from lab.live.hub import Hub
from lab.live.show import Show

HOST = "127.0.0.1"
PORT = 8600
EVERY_S = 0.25
REST = 5
"""How much longer the server rests than it works."""
LONGEST_BODY = 4_096


def bind(port: int) -> socket.socket:
    """Return a socket that listens on `port` of loopback, or on a free one for 0.

    Raises PortTaken, InvalidValue.
    """
    if not 0 <= port <= 65_535:
        raise InvalidValue(f"{port} is no port", hint="one from 1024 to 65535, or 0 for a free one")
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError as exc:
        listener.close()
        if exc.errno == errno.EADDRINUSE:
            hint = f"--port 0 takes a free one; who has it: ss -ltnp 'sport = :{port}'"
            raise PortTaken(f"port {port} of {HOST} is taken", hint=hint) from exc
        raise
    return listener


@dataclass(slots=True)
class Server:
    """A show on a socket; `token` is what acts need."""

    show: Show
    listener: socket.socket
    token: str = field(default_factory=make_token)
    hub: Hub = field(default_factory=Hub)
    _uvicorn: uvicorn.Server | None = None
    # The show is asked by whoever serves it and by whoever acts; one after the other.
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def address(self) -> str:
        """Where the page is, for everybody."""
        return f"http://{HOST}:{self.listener.getsockname()[1]}/"

    @property
    def trainer_address(self) -> str:
        """Where the page is with what acts; what follows # is never sent by a browser."""
        return f"{self.address}trainer#{self.token}"

    def run(self) -> None:
        """Serve until a signal comes, or until `stop` in another thread."""
        config = uvicorn.Config(
            self.app,
            log_level="error",
            access_log=False,
            lifespan="on",
            timeout_graceful_shutdown=1,
            server_header=False,
        )
        self._uvicorn = _Uvicorn(config, self.hub)
        self._uvicorn.run(sockets=[self.listener])

    def stop(self) -> None:
        if self._uvicorn is not None:
            self._uvicorn.should_exit = True

    @property
    def app(self) -> App:
        routes = [
            Route("/", self._page),
            Route("/trainer", self._page),
            Route("/assets/{name}", self._asset),
            Route("/frames", self._frames),
            Route("/report", self._report),
            Route("/notes", self._notes),
            Route("/act", self._act, methods=["POST"]),
        ]
        inner = Starlette(routes=routes, lifespan=self._pump)
        return Guard(inner, port=self.listener.getsockname()[1])

    @contextlib.asynccontextmanager
    async def _pump(self, _app: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(self._feed())
        try:
            yield
        finally:
            task.cancel()

    async def _feed(self) -> None:
        """Show each frame there is; what goes wrong is shown, too, and tried again."""
        while True:
            began = time.monotonic()
            async with self._turn:
                frame = await asyncio.to_thread(self._next)
            if frame is not None:
                await self.hub.show(frame)
            took_s = time.monotonic() - began
            # A long run takes longer to look through, and must not take the CPU of what it shows.
            await asyncio.sleep(max(EVERY_S, took_s * REST))

    def _next(self) -> Any:
        try:
            return self.show.frame()
        except LabError as exc:
            return {"failure": exc.message, "hint": exc.hint or ""}
        except OSError as exc:
            return {"failure": f"the run cannot be read: {exc}", "hint": "lab report list"}

    async def _page(self, request: Request) -> Response:
        return HTMLResponse(assets.page(request.url.path))

    async def _asset(self, request: Request) -> Response:
        found = assets.asset(request.path_params["name"])
        if found is None:
            return Response(status_code=404)
        content, kind = found
        return Response(content, media_type=kind)

    async def _frames(self, _request: Request) -> Response:
        if self.hub.is_full:
            return Response("too many look on already", status_code=503)
        return StreamingResponse(self.hub.messages(), media_type="text/event-stream")

    async def _report(self, _request: Request) -> Response:
        async with self._turn:
            try:
                page = await asyncio.to_thread(self.show.report)
            except LabError as exc:
                return Response(exc.message, status_code=404)
        return HTMLResponse(page) if page else Response("nothing was played yet", status_code=404)

    def _may_act(self, request: Request) -> bool:
        return has_token(request.headers.get("authorization", ""), self.token)

    async def _notes(self, request: Request) -> Response:
        if not self._may_act(request):
            return Response("this needs the token of the terminal", status_code=401)
        async with self._turn:
            return JSONResponse(self.show.notes())

    async def _act(self, request: Request) -> Response:
        if not self._may_act(request):
            return Response("this needs the token of the terminal", status_code=401)
        try:
            told = await _read_object(request)
            async with self._turn:
                self.show.act(str(told.get("do", "")), told.get("value"))
                frame = self.show.frame()
        except BadInput as exc:
            return JSONResponse({"refused": exc.message}, status_code=400)
        if frame is not None:
            await self.hub.show(frame)
        return JSONResponse({})


class _Uvicorn(uvicorn.Server):
    """Lets its viewers go before it ends: their streams have no end of their own."""

    def __init__(self, config: uvicorn.Config, hub: Hub) -> None:
        super().__init__(config)
        self._hub = hub

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._hub.close()
        await super().shutdown(sockets)


async def _read_object(request: Request) -> dict[str, Any]:
    """Return the JSON object of a body that is not too long. Raises InvalidValue."""
    content = b""
    async for piece in request.stream():
        content += piece
        if len(content) > LONGEST_BODY:
            raise InvalidValue(f"more than {LONGEST_BODY} bytes")
    try:
        told = json.loads(content)
    except (ValueError, RecursionError) as exc:
        raise InvalidValue("no JSON") from exc
    if not isinstance(told, dict):
        raise InvalidValue("no JSON object")
    return told
