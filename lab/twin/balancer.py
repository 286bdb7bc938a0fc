"""A Service on loopback: which pod does a new connection reach, and what if none is ready?

The rules are kube-proxy's, https://kubernetes.io/docs/reference/networking/virtual-ips/:

* each new connection goes to a ready endpoint that is chosen at random;
* a connection stays with its pod, also when that pod is no longer ready or is terminating;
* without a ready endpoint a connection is refused;
* what a pod's kernel says reaches the client: the end of a stream as such, a reset as a reset.

It is a program and no rule in a kernel, so two things look different: who connects is answered
by this kernel before the pod's is asked. A pod that refuses is seen as a reset, and one that
does not answer to the connection as one that does not answer to the request.
"""

import asyncio
import logging
import random
import socket
from collections.abc import Iterable

from lab.errors import HostUnfit
from lab.twin.links import Endpoint, Link, join

log = logging.getLogger(__name__)

BACKLOG = 1024
# While no descriptor is free nothing can be accepted; asyncio's own servers wait as long.
ACCEPT_AGAIN_S = 1.0


class Balancer:
    """Listens on `port` (0 for any) while it has endpoints; of one event loop.

    The port stays taken while there are none, so nobody else can listen on it.
    """

    def __init__(
        self, host: str = "127.0.0.1", port: int = 0, *, chance: random.Random | None = None
    ) -> None:
        self.host = host
        self.port = port
        self._chance = chance or random.Random()  # noqa: S311 - no secret
        self._endpoints: tuple[Endpoint, ...] = ()
        self._socket: socket.socket | None = None
        self._listens = False
        self._joining: set[asyncio.Task[None]] = set()
        self._links: set[Link] = set()

    @property
    def connections(self) -> int:
        """How many are established, or being established."""
        return len(self._joining) + len(self._links) // 2

    async def start(self) -> int:
        """Take the port and return it; connections are refused until there are endpoints.

        Raises HostUnfit when the port is taken.
        """
        assert self._socket is None, "the balancer is started already"
        try:
            self._socket = claim(self.host, self.port)
        except OSError as exc:
            raise HostUnfit(
                f"port {self.port} of {self.host} cannot be taken: {exc.strerror}",
                hint=f"lsof -nP -iTCP:{self.port}",
            ) from exc
        self.port = self._socket.getsockname()[1]
        return self.port

    def set_endpoints(self, endpoints: Iterable[tuple[str, str, int]]) -> None:
        """From here on new connections go to these; those that are established stay."""
        assert self._socket is not None, "the balancer is not started"
        # Who has connected by now was there before the change.
        self._accept_waiting()
        self._endpoints = tuple(Endpoint._make(each) for each in endpoints)
        if self._endpoints and not self._listens:
            self._listen()
        elif not self._endpoints and self._listens:
            self._refuse()

    async def close(self) -> None:
        """Give the port back and reset what is still connected; may be done twice."""
        if self._socket is not None:
            self._stop_accepting()
            self._socket.close()
            self._socket = None
        for task in self._joining:
            task.cancel()
        await asyncio.gather(*self._joining, return_exceptions=True)
        for link in tuple(self._links):
            link.reset()
        # The loop's next turn closes their sockets.
        await asyncio.sleep(0)

    def _listen(self) -> None:
        assert self._socket is not None
        self._socket.listen(BACKLOG)
        self._listens = True
        self._start_accepting()

    def _refuse(self) -> None:
        """Put a socket that does not listen in the place of the one that does."""
        assert self._socket is not None
        self._stop_accepting()
        listening, self._socket = self._socket, succeed(self.host, self.port)
        self._listens = False
        listening.close()

    def _start_accepting(self) -> None:
        if self._socket is not None and self._listens:
            asyncio.get_running_loop().add_reader(self._socket, self._accept_waiting)

    def _stop_accepting(self) -> None:
        assert self._socket is not None
        asyncio.get_running_loop().remove_reader(self._socket)

    def _accept_waiting(self) -> None:
        """Take every connection that waits, and give each its pod."""
        while self._listens and self._socket is not None:
            try:
                client, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionAbortedError:
                continue
            except OSError as exc:
                log.warning("no connection can be accepted: %s", exc)
                self._stop_accepting()
                asyncio.get_running_loop().call_later(ACCEPT_AGAIN_S, self._start_accepting)
                return
            self._join(client, self._chance.choice(self._endpoints))

    def _join(self, client: socket.socket, endpoint: Endpoint) -> None:
        client.setblocking(False)
        # What remains of it must not keep the next twin from the same port.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        task = asyncio.get_running_loop().create_task(join(client, endpoint, self._links))
        self._joining.add(task)
        task.add_done_callback(self._joining.discard)


def claim(host: str, port: int) -> socket.socket:
    """Return a socket that holds the port and does not listen; raises OSError when it is taken.

    With SO_REUSEADDR, which asks for the port alone but for old connections. Then the options
    are changed round: of them all only SO_REUSEPORT lets in a socket that asks for it as well,
    which is our next one (`succeed`). Who asks for the port alone meets EADDRINUSE.
    """
    held = socket.socket()
    try:
        held.setblocking(False)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((host, port))
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except BaseException:
        held.close()
        raise
    return held


def succeed(host: str, port: int) -> socket.socket:
    """Return one more socket with a port that `claim` or this function has taken.

    To stop listening by closing would give the port away; nothing else stops everywhere.
    """
    held = socket.socket()
    try:
        held.setblocking(False)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((host, port))
    except BaseException:
        held.close()
        raise
    return held
