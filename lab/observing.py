"""Talk to an observer, whichever way leads to it.

Its streams are files that only grow and are read by byte offset, so a connection that
breaks loses nothing. Each answer carries the observer's instance: another one than at
the start means that it was restarted and what it had in its head is gone.
"""

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from lab.errors import ClusterUnreachable, ObserverLost, ServiceNotReady

Event = Mapping[str, Any]
INSTANCE = "x-observer-instance"
CLOCK_SAMPLES = 7
POLL_S = 0.2


class Answer(Protocol):
    """Headers by their lower-case names, and the body."""

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def body(self) -> bytes: ...


class Way(Protocol):
    """How requests get to the observer and answers back."""

    @property
    def logs(self) -> str:
        """The command that shows what became of the observer."""
        ...

    def ask(
        self, method: str, path: str, query: Mapping[str, str], body: Mapping[str, Any] | None
    ) -> Answer:
        """Return an answer of success.

        Raises ClusterUnreachable while no way leads to the observer, ObserverLost when it
        refuses or is gone.
        """
        ...


@dataclass(frozen=True, slots=True)
class Clock:
    """The observer's clock minus this host's, both monotonic, in ns; off by at most `bound`."""

    offset: int
    bound: int

    def now(self) -> int:
        return time.monotonic_ns() + self.offset


@dataclass(slots=True)
class Observer:
    """One observer; `offsets` tells for each stream how far it was read."""

    way: Way
    instance: str = ""
    offsets: dict[str, int] = field(default_factory=dict)

    def begin(self, spec: Mapping[str, Any]) -> None:
        """Start a run; from here on only this instance counts."""
        self.offsets.clear()
        self.instance = ""
        answer = self._ask("POST", "/runs", body=dict(spec))
        self.instance = answer.headers.get(INSTANCE, "")

    def health(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._ask("GET", "/healthz").body)
        return found

    def measure_clock(self) -> Clock:
        """Compare clocks; the sample with the quickest answer is the least uncertain."""
        return min((self._sample_clock() for _ in range(CLOCK_SAMPLES)), key=lambda c: c.bound)

    def _sample_clock(self) -> Clock:
        before = time.monotonic_ns()
        told = json.loads(self._ask("GET", "/clock").body)["monotonic_ns"]
        after = time.monotonic_ns()
        return Clock(offset=told - (before + after) // 2, bound=(after - before) // 2 + 1)

    def read(self, run: str) -> list[Event]:
        """Return every whole line that has been written since the last read, stream by stream."""
        streams = json.loads(self._ask("GET", f"/runs/{run}/streams").body)["streams"]
        events: list[Event] = []
        for stream in streams:
            while self.offsets.get(stream["name"], 0) < stream["size"]:
                read = self._read_some(run, stream["name"])
                if not read:
                    break
                events += read
        return events

    def _read_some(self, run: str, name: str) -> list[Event]:
        offset = self.offsets.get(name, 0)
        path = f"/runs/{run}/streams/{name}"
        body = self._ask("GET", path, {"offset": str(offset)}).body
        self.offsets[name] = offset + len(body)
        try:
            return [json.loads(line) for line in body.splitlines()]
        except ValueError as exc:
            raise ObserverLost(f"stream {name} is damaged after byte {offset}: {exc}") from exc

    def stop(self, run: str) -> None:
        self._ask("POST", f"/runs/{run}/stop", body={})

    def audit(self, run: str, invariants: Sequence[Mapping[str, Any]]) -> None:
        body = {"invariants": [{"name": i["name"], "sql": i["sql"]} for i in invariants]}
        self._ask("POST", f"/runs/{run}/audit", body=body)

    def end_any_run(self, *, timeout_s: float) -> None:
        """End a run that was cut short, so that its load goes on no longer.

        An observer that has just been started is waited for; raises ServiceNotReady.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                left = self.health()["run"]
            except (ClusterUnreachable, ObserverLost) as exc:
                if time.monotonic() > deadline:
                    raise ServiceNotReady(exc.message, hint=exc.hint) from exc
                time.sleep(POLL_S)
                continue
            if left:
                self.forget(left)
            return

    def forget(self, run: str) -> None:
        """End whatever of the run is left.

        Absent is fine, and so is another instance. One that does not answer now ends a run
        by itself that nobody reads any more.
        """
        self.instance = ""
        with suppress(ObserverLost, ClusterUnreachable):
            self._ask("DELETE", f"/runs/{run}")

    def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: dict[str, Any] | None = None,
    ) -> Answer:
        answer = self.way.ask(method, path, query or {}, body)
        found = answer.headers.get(INSTANCE, "")
        if self.instance and found != self.instance:
            raise ObserverLost(
                f"the observer was restarted during the run (instance {found}, began as "
                f"{self.instance})",
                hint=self.way.logs,
            )
        return answer
