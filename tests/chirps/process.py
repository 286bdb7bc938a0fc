"""The service as a real process on loopback."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

BOUND_S = 30.0
# The bound for idle connections is a second; a test that must not depend on how fast this
# host is gives them longer.
PROGRAM = """import sys
from lab.chirps import cli, server
server.LINGER_S = float(sys.argv[1])
exec(sys.argv[2])
sys.exit(cli.main(["serve"]))
"""


class Process:
    """A running service; `lines` are its log so far, one object a line.

    `prelude` is Python that it runs first, to shorten what would take minutes.
    """

    def __init__(
        self, environ: dict[str, str], *, linger_s: float = BOUND_S, prelude: str = ""
    ) -> None:
        given = {"CHIRPS_CODE": "v1", "CHIRPS_HOST": "127.0.0.1", "CHIRPS_PORT": "0", **environ}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(linger_s), prelude],
            env={**kept, "CHIRPS_POD": "pod-1", "CHIRPS_NODE": "n3", **given},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for text in self._process.stderr:
            with self._changed:
                self.lines.append(json.loads(text))
                self._changed.notify_all()

    def wait_for_line(self, **wanted: Any) -> dict[str, Any]:
        """Return the first line of the log that holds all of `wanted`."""

        def found() -> dict[str, Any] | None:
            return next((each for each in self.lines if each.items() >= wanted.items()), None)

        with self._changed:
            line = self._changed.wait_for(found, BOUND_S)
        assert line is not None, (wanted, self.lines)
        return line

    @property
    def port(self) -> int:
        return int(self.wait_for_line(event="serving")["port"])

    def wait_until_ready(self) -> None:
        wait_for(lambda: self.ask("GET", "/readyz")[0] == 200)

    def connect(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=BOUND_S)
        connection.connect()
        return connection

    def ask(self, method: str, target: str, body: Any = None) -> tuple[int, dict[str, str], bytes]:
        """Send one request on a connection of its own."""
        connection = self.connect()
        try:
            return exchange(connection, method, target, body)
        finally:
            connection.close()

    def terminate(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        return self._process.wait(BOUND_S)

    @property
    def stages(self) -> list[str]:
        return [line["stage"] for line in self.lines if line["event"] == "shutdown"]

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        assert self._process.stderr is not None
        self._process.stderr.close()


def exchange(
    connection: http.client.HTTPConnection, method: str, target: str, body: Any = None
) -> tuple[int, dict[str, str], bytes]:
    headers = {"Authorization": "Bearer user-1"}
    connection.request(method, target, None if body is None else json.dumps(body), headers)
    return read(connection)


def read(connection: http.client.HTTPConnection) -> tuple[int, dict[str, str], bytes]:
    response = connection.getresponse()
    content = response.read()
    return response.status, {k.lower(): v for k, v in response.getheaders()}, content


def wait_for(condition: Any, *, within_s: float = BOUND_S) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def process(
    environ: dict[str, str], *, linger_s: float = BOUND_S, prelude: str = ""
) -> Iterator[Process]:
    running = Process(environ, linger_s=linger_s, prelude=prelude)
    try:
        yield running
    finally:
        running.end()
