"""A server on a free port of loopback, and questions to it."""

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from lab.errors import InvalidValue
from lab.live.server import Server, bind
from lab.live.show import Show


@dataclass
class Still:
    """A show that stands still; what was done to it is kept."""

    shown: Any = field(default_factory=lambda: {"n": 1})
    acts: list[tuple[str, Any]] = field(default_factory=list)

    def frame(self) -> Any:
        return self.shown

    def act(self, what: str, value: Any) -> None:
        if what != "step":
            raise InvalidValue(f"cannot {what}")
        self.acts.append((what, value))

    def notes(self) -> dict[str, Any]:
        return {"notes": ["for the trainer alone"]}

    def report(self) -> str | None:
        return None


@contextmanager
def serving(show: Show) -> Iterator[Server]:
    server = Server(show, bind(0))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join(timeout=10)
        assert not thread.is_alive()


def ask(
    server: Server, method: str, path: str, *, body: bytes = b"", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    port = server.listener.getsockname()[1]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def act(server: Server, what: str, *, token: str) -> int:
    body = json.dumps({"do": what, "value": None}).encode()
    return ask(server, "POST", "/act", body=body, authorization=f"Bearer {token}")[0]


def first_frame(server: Server) -> Any:
    port = server.listener.getsockname()[1]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/frames")
        answer = connection.getresponse()
        lines = [answer.readline().decode().strip() for _ in range(3)]
        return json.loads(lines[2].removeprefix("data: "))
    finally:
        connection.close()
