"""A fake service: a real HTTP server on the loopback that behaves as badly as it is told to."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Received:
    """One request that reached the service, on the connection with that number."""

    connection: int
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def content(self) -> Any:
        return json.loads(self.body)


class Line:
    """The connection on which a request came, to be answered or mistreated."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, content: bytes) -> None:
        self._writer.write(content)
        await self._writer.drain()

    def close(self) -> None:
        self._writer.close()

    def reset(self) -> None:
        """Close it as a process does that was killed with bytes unread: by RST."""
        link = self._writer.get_extra_info("socket")
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def gone(self) -> None:
        """Return when the client has closed it."""
        try:
            await self._reader.read()
        except ConnectionError:
            return


Behave = Callable[[Received, Line], Awaitable[None]]


@dataclass(slots=True)
class Service:
    """What the fake has seen; `url` is where it is."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    connections: int = 0

    @property
    def paths(self) -> list[str]:
        return [each.path for each in self.received]


def answer(status: int = 200, content: Any = None, *, release: str = "v1", **headers: str) -> bytes:
    """Return an answer as the sample service gives it."""
    body = json.dumps({} if content is None else content).encode()
    given = {
        "Content-Length": str(len(body)),
        "X-Chirps-Version": release,
        "X-Chirps-Pod": f"chirps-{release}-1",
        "X-Chirps-Node": "n3",
        "X-Chirps-Schema": "5",
        "X-Chirps-Draining": "false",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + body


async def answer_well(_: Received, line: Line) -> None:
    await line.send(answer())


@asynccontextmanager
async def serving(behave: Behave = answer_well) -> AsyncIterator[Service]:
    """Serve on a free port; connections are kept until their client closes them."""
    service = Service()
    tasks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        service.connections += 1
        connection, line = service.connections, Line(reader, writer)
        try:
            while not writer.is_closing():
                received = await _read(reader, connection)
                service.received.append(received)
                await behave(received, line)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(talk(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, backlog=1000)
    service.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield service
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


async def _read(reader: asyncio.StreamReader, connection: int) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, path, _ = head[0].split(" ")
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Received(connection, method, path, headers, body)
