"""A way to the database that can lose everything without a word, as a network does."""

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.postgres import Database

LOOK_EVERY_S = 0.05


class Relay:
    """Passes bytes on until it is stalled; then connections stay open, and nothing arrives."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._stalled, self._ended = threading.Event(), threading.Event()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def variables(self) -> dict[str, str]:
        return {"PGHOST": "127.0.0.1", "PGPORT": str(self._listener.getsockname()[1])}

    def stall(self) -> None:
        self._stalled.set()

    def resume(self) -> None:
        """Let new connections through; what was lost on the old ones is lost."""
        self._stalled.clear()

    def end(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while not self._ended.is_set():
            if select.select([self._listener], [], [], LOOK_EVERY_S)[0]:
                client, _ = self._listener.accept()
                self._threads.append(threading.Thread(target=self._pass, args=(client,)))
                self._threads[-1].start()

    def _pass(self, client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection(self._target) as server:
            while not self._ended.is_set():
                if self._stalled.is_set():
                    self._ended.wait()
                    return
                for side in select.select([client, server], [], [], LOOK_EVERY_S)[0]:
                    received = side.recv(65536)
                    if not received:
                        return
                    (server if side is client else client).sendall(received)


@contextmanager
def relay(database: Database) -> Iterator[Relay]:
    made = Relay(database.variables["PGHOST"], int(database.variables["PGPORT"]))
    try:
        yield made
    finally:
        made.end()
