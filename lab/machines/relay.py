"""Relay TCP connections: what is accepted on a socket is connected to one of its targets.

The first target that takes the connection gets it, and is asked first the next time.

A half-close is passed on, a reset stays a reset (a truncated answer must not look like a
complete one), and a side that does not read stops the other from sending: a connection
never holds more than one chunk. Needs nothing but sockets, so streams and their buffers,
tasks and limits are left out.
"""

import asyncio
import contextlib
import socket
import struct
from collections import deque
from collections.abc import Iterable, Sequence

CHUNK = 64 * 1024
CONNECT_BOUND_S = 10.0
# A node without power says nothing; where there is another one, do not wait for it for long.
OTHERS_WAIT_S = 0.5
ACCEPT_AGAIN_S = 0.1
# A node without power says nothing: without these, what was connected to it stays for ever.
KEEPALIVE = {socket.TCP_KEEPIDLE: 30, socket.TCP_KEEPINTVL: 10, socket.TCP_KEEPCNT: 3}
RESET_ON_CLOSE = struct.pack("ii", 1, 0)

Address = tuple[str, int]


Listeners = Iterable[tuple[socket.socket, Sequence[Address]]]


def run(listeners: Listeners) -> None:
    asyncio.run(serve(listeners))


async def serve(listeners: Listeners) -> None:
    """Accept on every listener, and relay to one of its targets; never returns."""
    async with asyncio.TaskGroup() as group:
        for listener, targets in listeners:
            listener.setblocking(False)
            group.create_task(_accept(listener, deque(targets)))


async def _accept(listener: socket.socket, targets: deque[Address]) -> None:
    loop = asyncio.get_running_loop()
    # A group would end with its first failure, and one connection must not end the others.
    relays: set[asyncio.Task[None]] = set()
    while True:
        try:
            client, _ = await loop.sock_accept(listener)
        except OSError:  # out of descriptors, or the client has gone already
            await asyncio.sleep(ACCEPT_AGAIN_S)
            continue
        task = loop.create_task(_relay(client, targets))
        relays.add(task)
        task.add_done_callback(relays.discard)
        await asyncio.sleep(0)


async def _relay(client: socket.socket, targets: deque[Address]) -> None:
    with client:
        try:
            target = await _connect(targets)
        except OSError:
            _reset(client)
            return
        with target:
            try:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                async with asyncio.TaskGroup() as group:
                    group.create_task(_pump(client, target))
                    group.create_task(_pump(target, client))
            except* OSError:
                _reset(client, target)


async def _connect(targets: deque[Address]) -> socket.socket:
    """Connect to the first target that answers; one that does not is asked last from now on."""
    tries = list(targets)
    for address in tries[:-1]:
        try:
            return await _connect_to(address, OTHERS_WAIT_S)
        except OSError:
            if targets[0] == address:
                targets.rotate(-1)
    return await _connect_to(tries[-1], CONNECT_BOUND_S)


async def _connect_to(address: Address, bound_s: float) -> socket.socket:
    target = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        target.setblocking(False)
        target.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        target.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEPALIVE.items():
            target.setsockopt(socket.IPPROTO_TCP, option, value)
        async with asyncio.timeout(bound_s):
            await asyncio.get_running_loop().sock_connect(target, address)
    except BaseException:
        target.close()
        raise
    return target


def _reset(*sides: socket.socket) -> None:
    for side in sides:
        with contextlib.suppress(OSError):
            side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)


async def _pump(source: socket.socket, sink: socket.socket) -> None:
    """Copy until the source ends, then tell the sink."""
    loop = asyncio.get_running_loop()
    while data := await loop.sock_recv(source, CHUNK):
        await loop.sock_sendall(sink, data)
        # Neither call gives way while the sockets are ready: a fast transfer would starve the rest.
        await asyncio.sleep(0)
    sink.shutdown(socket.SHUT_WR)
