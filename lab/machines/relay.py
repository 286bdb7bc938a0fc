"""Relay TCP connections: what is accepted on a socket is connected to a target.

A half-close is passed on, a reset stays a reset (a truncated answer must not look like a
complete one), and a side that does not read stops the other from sending: a connection
never holds more than one chunk. Needs nothing but sockets, so streams and their buffers,
tasks and limits are left out.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Iterable

CHUNK = 64 * 1024
CONNECT_BOUND_S = 10.0
ACCEPT_AGAIN_S = 0.1
# A node without power says nothing: without these, what was connected to it stays for ever.
KEEPALIVE = {socket.TCP_KEEPIDLE: 30, socket.TCP_KEEPINTVL: 10, socket.TCP_KEEPCNT: 3}
RESET_ON_CLOSE = struct.pack("ii", 1, 0)

Address = tuple[str, int]


def run(listeners: Iterable[tuple[socket.socket, Address]]) -> None:
    asyncio.run(serve(listeners))


async def serve(listeners: Iterable[tuple[socket.socket, Address]]) -> None:
    """Accept on every listener, and relay to its target; never returns."""
    async with asyncio.TaskGroup() as group:
        for listener, target in listeners:
            listener.setblocking(False)
            group.create_task(_accept(listener, target))


async def _accept(listener: socket.socket, target: Address) -> None:
    loop = asyncio.get_running_loop()
    # A group would end with its first failure, and one connection must not end the others.
    relays: set[asyncio.Task[None]] = set()
    while True:
        try:
            client, _ = await loop.sock_accept(listener)
        except OSError:  # out of descriptors, or the client has gone already
            await asyncio.sleep(ACCEPT_AGAIN_S)
            continue
        task = loop.create_task(_relay(client, target))
        relays.add(task)
        task.add_done_callback(relays.discard)
        await asyncio.sleep(0)


async def _relay(client: socket.socket, address: Address) -> None:
    with client, socket.socket(socket.AF_INET, socket.SOCK_STREAM) as target:
        try:
            _prepare(client, target)
            async with asyncio.timeout(CONNECT_BOUND_S):
                await asyncio.get_running_loop().sock_connect(target, address)
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(client, target))
                group.create_task(_pump(target, client))
        except* OSError:
            for side in (client, target):
                with contextlib.suppress(OSError):
                    side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)


def _prepare(client: socket.socket, target: socket.socket) -> None:
    target.setblocking(False)
    for side in (client, target):
        side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    target.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEPALIVE.items():
        target.setsockopt(socket.IPPROTO_TCP, option, value)


async def _pump(source: socket.socket, sink: socket.socket) -> None:
    """Copy until the source ends, then tell the sink."""
    loop = asyncio.get_running_loop()
    while data := await loop.sock_recv(source, CHUNK):
        await loop.sock_sendall(sink, data)
        # Neither call gives way while the sockets are ready: a fast transfer would starve the rest.
        await asyncio.sleep(0)
    sink.shutdown(socket.SHUT_WR)
