"""Run pyinfra phases in the provisioning child and report what they did."""

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol, Self

from lab.errors import ProvisionFailed
from lab.provision.diagnosis import Facts, Failure, redact, tell

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
    """What is done on several nodes at once; no node waits for another.

    `distribution`, "k3s" or "kubeadm", and the addresses of the cluster's `servers` serve to
    tell why it failed; empty, words of both count, and no list of servers is called stale.
    """

    title: str
    targets: tuple[Target, ...]
    timeout_s: float = 300
    distribution: str = ""
    servers: tuple[str, ...] = ()


@dataclass(slots=True)
class Story:
    """What a phase has done so far: what failed, and by node the operation that ended last."""

    failures: list[Failure] = field(default_factory=list)
    last: dict[str, str] = field(default_factory=dict)


class Login(Protocol):
    """How the nodes of a lab are reached."""

    def command(self, argv: Sequence[str]) -> list[str]:
        """Return `argv` so that it runs where the nodes can be reached from."""
        ...

    def reach(self, target: Target) -> dict[str, Any]:
        """Return what pyinfra's SSH connector has to know of a node."""
        ...


class Child:
    """One provisioning child, where it reaches the nodes; a context manager."""

    def __init__(self, login: Login, log: Path) -> None:
        self._login = login
        self._log = log
        self._process: subprocess.Popen[str] | None = None
        self._events: queue.Queue[dict[str, Any] | None] = queue.Queue()

    def __enter__(self) -> Self:
        """Start the child; it loads pyinfra while the caller still does something else."""
        argv = [sys.executable, "-P", "-m", "lab.provision.worker"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._login.command(argv),
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
            raise self._failed(phase, "its child process ended", Story()) from exc
        return self._follow(phase, report)

    def _follow(self, phase: Phase, report: Report) -> dict[str, dict[str, str]]:
        story = Story()
        deadline = time.monotonic() + phase.timeout_s
        while True:
            event = self._next(phase, story, deadline)
            match event["event"]:
                case "operation":
                    story.last[event["host"]] = event["name"]
                    report(event["host"], event["name"])
                case "failed":
                    failure = Failure(event["host"], event["output"], event["name"])
                    story.failures.append(failure)
                case "ended" if event["ok"] and not story.failures:
                    answers: dict[str, dict[str, str]] = event["read"]
                    return answers
                case _ if story.failures:
                    # Of hosts that failed, pyinfra itself says only that none is left.
                    raise self._failed(phase, "", story)
                case _:
                    raise self._failed(phase, event["error"], Story())

    def _next(self, phase: Phase, story: Story, deadline: float) -> dict[str, Any]:
        try:
            event = self._events.get(timeout=max(deadline - time.monotonic(), 0))
        except queue.Empty as exc:
            reason = f"it did not end within {phase.timeout_s:g} s"
            raise self._failed(phase, reason, story) from exc
        if event is None:
            status = self._running().wait()
            reason = f"its child process ended with exit status {status}"
            raise self._failed(phase, reason, story)
        return event

    def _failed(self, phase: Phase, reason: str, story: Story) -> ProvisionFailed:
        """Return the failure, and keep all that was said in the log: the message has little."""
        with suppress(OSError), self._log.open("a") as log:
            for each in story.failures:
                log.write(f"{phase.title}: {each.what!r} failed on {each.node}:\n")
                log.write(f"{redact(each.said).strip()}\n")
        return explain(phase, redact(reason), story, hint=f"less {self._log}")

    def _request(self, phase: Phase) -> dict[str, Any]:
        return {
            "hosts": [
                asdict(target) | {"ssh": self._login.reach(target)} for target in phase.targets
            ],
        }

    def _collect(self, stream: IO[str]) -> None:
        for line in stream:
            self._events.put(_parse(line))
        self._events.put(None)

    def _running(self) -> "subprocess.Popen[str]":
        assert self._process, "use the child as a context manager"
        return self._process


def explain(phase: Phase, reason: str, story: Story, *, hint: str) -> ProvisionFailed:
    """Return the failure of a phase: each node that failed, its cause if known, and what helps.

    `reason` is what ended the phase itself, or empty; `hint` is for causes that nobody knows.
    """
    if not story.failures:
        return ProvisionFailed(
            "\n".join((f"{phase.title}: {reason}", *_standing(phase, story))), hint=hint
        )
    told = tell(story.failures, distribution=phase.distribution, facts=Facts(servers=phase.servers))
    title = f"{phase.title}: failed on {', '.join(told.nodes)}" + (f"; {reason}" if reason else "")
    return ProvisionFailed("\n".join((title, *told.lines)), hint=told.remedy or hint)


def _standing(phase: Phase, story: Story) -> Iterator[str]:
    """Say how far each node came in a phase that was cut off, if any came far."""
    for target in phase.targets if story.last else ():
        last = story.last.get(target.name)
        yield f"  {target.name}: " + (f"did {last!r} last" if last else "did nothing yet")


def _parse(line: str) -> dict[str, Any]:
    """Return the event of a line; what is none ends the phase, with the line as the reason."""
    try:
        event: dict[str, Any] = json.loads(line)
    except ValueError:
        return {"event": "ended", "ok": False, "error": f"its child process said {line.strip()!r}"}
    return event
