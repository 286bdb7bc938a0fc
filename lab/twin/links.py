"""What happens on a connection that a balancer has given to a pod?

What a pod's kernel says reaches the client: the end of a stream as such, a reset as a reset.
"""

import asyncio
import contextlib
import logging
import socket
import struct
from typing import NamedTuple, cast

from typing_extensions import override

log = logging.getLogger(__name__)

LINGER_0 = struct.pack("ii", 1, 0)


class Endpoint(NamedTuple):
    """A pod that is ready, and where it listens."""

    pod: str
    host: str
    port: int


class Link(asyncio.Protocol):
    """One side of a connection through the balancer; `other` is its other side.

    Reading pauses while the other side does not take what was read, and an end of one direction
    is passed on as just that.
    """

    def __init__(self, links: "set[Link]") -> None:
        self._links = links
        self._early = bytearray()
        self._has_ended = False
        self._is_lost = False
        self.other: Link | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._links.add(self)

    def tie(self, other: "Link") -> None:
        """Make them the two sides of one connection, and pass on what each has read by now.

        A transport that is told not to read when it is made reads all the same before CPython
        3.11.4.
        """
        self.other, other.other = other, self
        for each in (self, other):
            each._catch_up()

    def _catch_up(self) -> None:
        if self._early:
            self.data_received(bytes(self._early))
        if self._has_ended:
            self.eof_received()
        if self._is_lost:
            self.connection_lost(None)

    @override
    def data_received(self, data: bytes) -> None:
        if self.other is None:
            self._early += data
        else:
            self.other._transport.write(data)

    @override
    def eof_received(self) -> bool:
        self._has_ended = True
        if self.other is not None:
            self.other.end()
            if self.other._has_ended:
                # When all that was written to them is sent.
                self._transport.close()
                self.other._transport.close()
        return True

    def end(self) -> None:
        """Nothing more is written to this side; what it writes is still read."""
        if not self._transport.is_closing():
            # Its peer may be gone already, which connection_lost tells.
            with contextlib.suppress(OSError):
                self._transport.write_eof()

    @override
    def pause_writing(self) -> None:
        if self.other is not None:
            self.other._transport.pause_reading()

    @override
    def resume_writing(self) -> None:
        if self.other is not None:
            self.other._transport.resume_reading()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._links.discard(self)
        self._is_lost = True
        # One that is closing still sends what it has.
        if self.other is not None and not self.other._transport.is_closing():
            self.other.reset()

    def reset(self) -> None:
        """Close at once, so that the peer sees a reset, whatever is still on its way."""
        set_linger_0(self._transport.get_extra_info("socket"))
        self._transport.abort()


async def join(client: socket.socket, endpoint: Endpoint, links: set[Link]) -> None:
    """Join a client with its pod; where the pod cannot be reached the client is reset."""
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as undo:
        undo.callback(drop, client)
        pod = socket.socket()
        undo.callback(drop, pod)
        pod.setblocking(False)
        try:
            await loop.sock_connect(pod, (endpoint.host, endpoint.port))
        except OSError as exc:
            log.debug("%s cannot be reached: %s", endpoint.pod, exc)
            return
        _, near = await loop.connect_accepted_socket(lambda: Link(links), client)
        _, far = await loop.create_connection(lambda: Link(links), sock=pod)
        undo.pop_all()
    near.tie(far)


def drop(connection: socket.socket) -> None:
    """Close it so that the peer sees a reset."""
    set_linger_0(connection)
    connection.close()


def set_linger_0(connection: socket.socket) -> None:
    # It may have been closed meanwhile.
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)
