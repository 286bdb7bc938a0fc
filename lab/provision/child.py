"""Run pyinfra phases in the provisioning child and report what they did."""

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Self

from lab.errors import ProvisionFailed
from lab.machines import netns
from lab.machines.keys import Keys
from lab.provision.diagnosis import diagnose, redact

Report = Callable[[str, str], None]
"""Called with a node's name and the operation that ended on it."""


@dataclass(frozen=True, slots=True)
class Target:
    """One node of a phase: the deploys to run there in order, and the data they read.

    `read` names commands whose output is wanted when all is done.
    """

    name: str
    address: str
    deploys: tuple[str, ...]
    data: dict[str, Any]
    read: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Phase:
    """What is done on several nodes at once; no node waits for another."""

    title: str
    targets: tuple[Target, ...]
    timeout_s: float = 300


class Child:
    """One provisioning child, inside the lab's network namespace; a context manager."""

    def __init__(self, namespace: str, keys: Keys, log: Path) -> None:
        self._namespace = namespace
        self._keys = keys
        self._log = log
        self._process: subprocess.Popen[str] | None = None
        self._events: queue.Queue[dict[str, Any] | None] = queue.Queue()

    def __enter__(self) -> Self:
        """Start the child; it loads pyinfra while the caller still does something else."""
        argv = [sys.executable, "-P", "-m", "lab.provision.worker"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                netns.command(self._namespace, argv),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout
        reader = threading.Thread(target=self._collect, args=(self._process.stdout,), daemon=True)
        reader.start()
        return self

    def __exit__(self, *exc: object) -> None:
        process = self._running()
        self.kill()
        for stream in (process.stdin, process.stdout):
            if stream:
                stream.close()

    def kill(self) -> None:
        """End the child at once; a phase that is under way fails."""
        process = self._running()
        process.kill()
        process.wait()

    def run(self, phase: Phase, report: Report) -> dict[str, dict[str, str]]:
        """Run one phase; return node → what its `read` commands printed.

        Raises ProvisionFailed, naming node and operation, if anything failed on any node.
        """
        process = self._running()
        assert process.stdin
        try:
            process.stdin.write(json.dumps(self._request(phase)) + "\n")
            process.stdin.flush()
        except BrokenPipeError as exc:
            raise self._failed(phase, "its child process ended") from exc
        return self._follow(phase, report)

    def _follow(self, phase: Phase, report: Report) -> dict[str, dict[str, str]]:
        failures: list[str] = []
        deadline = time.monotonic() + phase.timeout_s
        while True:
            event = self._next(phase, deadline)
            match event["event"]:
                case "operation":
                    report(event["host"], event["name"])
                case "failed":
                    output = event["output"].strip() or "no output"
                    failures.append(f"{event['name']!r} failed on {event['host']}: {output}")
                case "ended" if event["ok"] and not failures:
                    answers: dict[str, dict[str, str]] = event["read"]
                    return answers
                case _:
                    raise self._failed(phase, "; ".join(failures) or event["error"])

    def _next(self, phase: Phase, deadline: float) -> dict[str, Any]:
        try:
            event = self._events.get(timeout=max(deadline - time.monotonic(), 0))
        except queue.Empty as exc:
            raise self._failed(phase, f"it did not end within {phase.timeout_s:g} s") from exc
        if event is None:
            status = self._running().wait()
            raise self._failed(phase, f"its child process ended with exit status {status}")
        return event

    def _failed(self, phase: Phase, reason: str) -> ProvisionFailed:
        """Return the failure; where its words are known, with their cause and what helps."""
        reason = redact(reason)
        found = diagnose(reason)
        if found is None:
            return ProvisionFailed(f"{phase.title}: {reason}", hint=f"less {self._log}")
        return ProvisionFailed(f"{phase.title}: {found.kind}: {reason}", hint=found.remedy)

    def _request(self, phase: Phase) -> dict[str, Any]:
        return {
            "hosts": [asdict(target) for target in phase.targets],
            "key": str(self._keys.login),
            "known_hosts": str(self._keys.known_hosts),
        }

    def _collect(self, stream: IO[str]) -> None:
        for line in stream:
            self._events.put(_parse(line))
        self._events.put(None)

    def _running(self) -> "subprocess.Popen[str]":
        assert self._process, "use the child as a context manager"
        return self._process


def _parse(line: str) -> dict[str, Any]:
    """Return the event of a line; what is none ends the phase, with the line as the reason."""
    try:
        event: dict[str, Any] = json.loads(line)
    except ValueError:
        return {"event": "ended", "ok": False, "error": f"its child process said {line.strip()!r}"}
    return event
