"""The observer beside a twin: started as a program, spoken to on loopback.

It watches no Kubernetes, so a run's spec says `watch: false`; the world tells what a cluster
would.
"""

import http.client
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from typing_extensions import override

from lab import observing
from lab.errors import ClusterUnreachable, ObserverLost, ServiceNotReady
from lab.observing import Clock
from lab.twin.programs import bytecode, end, environment, how_it_ended
from lab.twin.tether import tethered
from lab.twin.workplace import Workplace

LOOPBACK = "127.0.0.1"
STARTED_WITHIN_S = 30.0
ANSWER_WITHIN_S = 10.0
LOOK_EVERY_S = 0.02
LISTENING = "listening on "
# Who measures comes before who is measured, where that is allowed.
NICE = -5


class TwinObserver(observing.Observer):
    """An observer that is a program of ours; ends with `close`, or with this process."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
        super().__init__(Loopback(port, log, process.poll))
        self._process = process

    @classmethod
    def start(cls, workplace: Workplace, database: Mapping[str, str]) -> "TwinObserver":
        """Start one and wait until it listens; `database` has libpq's variables of its role.

        Raises ServiceNotReady with its last words when it does not.
        """
        log = workplace.directory("logs") / "observer.log"
        heard = workplace.directory("logs") / "observer.out"
        process = launch(workplace, database, log=log, heard=heard)
        try:
            return cls(process, wait_for_port(process, heard, log), log)
        except BaseException:
            end(process)
            raise

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    @override
    def measure_clock(self) -> Clock:
        """Return offset 0 where the clocks prove to be one, as those of one host are."""
        measured = super().measure_clock()
        return Clock(0, measured.bound) if abs(measured.offset) <= measured.bound else measured

    def close(self) -> None:
        """End it, and with it whatever run goes on; may be done twice."""
        end(self._process)


@dataclass(frozen=True, slots=True)
class Loopback:
    """Implements `lab.observing.Way`: one connection a request, which costs little here.

    `ended` returns the exit status of the observer, None while it runs.
    """

    port: int
    log: Path
    ended: Callable[[], int | None]

    @property
    def logs(self) -> str:
        return f"cat {shlex.quote(str(self.log))}"

    def ask(
        self, method: str, path: str, query: Mapping[str, str], body: Mapping[str, Any] | None
    ) -> "Answer":
        url = quote(path) + (f"?{urlencode(query)}" if query else "")
        try:
            status, answer = self._exchange(method, url, body)
        except (OSError, http.client.HTTPException) as exc:
            raise self._unanswered(exc) from exc
        if status >= http.HTTPStatus.BAD_REQUEST:
            said = answer.body.decode(errors="replace").strip()
            raise ObserverLost(
                f"the observer refused {method} {path} with {status}: {said}", hint=self.logs
            )
        return answer

    def _exchange(
        self, method: str, url: str, body: Mapping[str, Any] | None
    ) -> "tuple[int, Answer]":
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=ANSWER_WITHIN_S)
        content = json.dumps(body).encode() if body is not None else None
        try:
            connection.request(method, url, content, {"Content-Type": "application/json"})
            response = connection.getresponse()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return response.status, Answer(headers, response.read())
        finally:
            connection.close()

    def _unanswered(self, exc: Exception) -> ClusterUnreachable | ObserverLost:
        why = str(exc) or type(exc).__name__
        if (status := self.ended()) is not None:
            return ObserverLost(f"the observer {how_it_ended(status, self.log)}", hint=self.logs)
        return ClusterUnreachable(f"the observer does not answer ({why})", hint=self.logs)


@dataclass(frozen=True, slots=True)
class Answer:
    """Headers by their lower-case names, and the body."""

    headers: Mapping[str, str]
    body: bytes


def launch(
    workplace: Workplace, database: Mapping[str, str], *, log: Path, heard: Path
) -> "subprocess.Popen[bytes]":
    directory = str(workplace.directory("observer"))
    command = [sys.executable, "-P", "-m", "lab.observer", "serve", "--dir", directory]
    command += ["--host", LOOPBACK, "--port", "0"]
    with log.open("ab") as errors, heard.open("wb") as output:
        return subprocess.Popen(
            tethered(command, nice=NICE, alive=workplace.lock),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            cwd=workplace.path,
            env=environment({**bytecode(workplace.path), **database}),
        )


def wait_for_port(process: "subprocess.Popen[bytes]", heard: Path, log: Path) -> int:
    """Return the port that the observer says it listens on."""
    deadline = time.monotonic() + STARTED_WITHIN_S
    while True:
        ended = process.poll()
        said = heard.read_text()
        if said.startswith(LISTENING) and said.endswith("\n"):
            return int(said.rpartition(":")[2])
        if ended is not None:
            raise ServiceNotReady(f"the observer {how_it_ended(ended, log)}")
        if time.monotonic() > deadline:
            raise ServiceNotReady(f"the observer does not listen after {STARTED_WITHIN_S:g} s")
        time.sleep(LOOK_EVERY_S)
