"""A world as a program, and a database that releases can serve from."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.postgres import Database

BOUND_S = 45.0
PROFILE: dict[str, Any] = {
    "replicas": 2,
    "max_surge": 1,
    "max_unavailable": 0,
    "min_ready_seconds": 0,
    "progress_deadline_seconds": 60,
    "termination_grace_period_seconds": 10,
    "pre_stop_seconds": 0,
    "graceful_seconds": 1,
    "startup_probe": {"period_seconds": 0.1, "timeout_seconds": 1, "failure_threshold": 400},
    "readiness_probe": {"period_seconds": 0.2, "timeout_seconds": 1, "failure_threshold": 3},
    "liveness_probe": {"period_seconds": 10, "timeout_seconds": 2, "failure_threshold": 3},
    "pool_size": 2,
    "pool_timeout_seconds": 2,
}
RELEASES = {name: {"code": code} for name, code in (("v1", "v1"), ("v1b", "v1"), ("v2", "v2"))}


class Refused(Exception):
    """The world answered a command with an error: `kind` and message."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(error["message"])
        self.kind = error["kind"]


class Program:
    """A running `python -m lab.twin`; `lines` are those of the history, so far."""

    def __init__(self, directory: Path, **environ: str) -> None:
        self.directory = directory
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "lab.twin"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=directory,
            env={**os.environ, **environ},
        )
        self.lines: list[dict[str, Any]] = []
        self.notices: list[dict[str, Any]] = []
        self.answers_without_id: list[dict[str, Any]] = []
        self._answers: dict[int, dict[str, Any]] = {}
        self._number = 0
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for text in self.process.stdout:
            said = json.loads(text)
            with self._changed:
                if "id" in said and said["id"] is None:
                    self.answers_without_id.append(said)
                elif "id" in said:
                    self._answers[said["id"]] = said
                else:
                    (self.lines if "kind" in said else self.notices).append(said)
                self._changed.notify_all()

    def send(self, do: str, **told: Any) -> int:
        self._number += 1
        assert self.process.stdin is not None
        line = json.dumps({"id": self._number, "do": do, **told})
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()
        return self._number

    def answer(self, number: int) -> dict[str, Any]:
        with self._changed:
            assert self._changed.wait_for(lambda: number in self._answers, BOUND_S), number
        said = self._answers[number]
        if "error" in said:
            raise Refused(said["error"])
        return said

    def do(self, command: str, **told: Any) -> dict[str, Any]:
        return self.answer(self.send(command, **told))

    def start(self, database: Database | None, release: str = "v1", **told: Any) -> str:
        """Start the service on `database` and return its address."""
        given = dict(database.variables) if database else {}
        profile = {**PROFILE, **told.pop("profile", {})}
        keep = told.pop("keep", str(self.directory))
        return str(
            self.do(
                "start",
                profile=profile,
                release=release,
                database=given,
                releases=RELEASES,
                keep=keep,
                **told,
            )["target"]
        )

    def watch(self) -> None:
        self.do("watch", run="run-1", instance="instance-1")

    def pods(self) -> list[dict[str, Any]]:
        return list(self.do("pods")["pods"])

    def wait_for_serving(self, count: int) -> list[dict[str, Any]]:
        """Return the pods when so many listen, ready or not."""
        deadline = time.monotonic() + BOUND_S
        while len(found := [pod for pod in self.pods() if pod["port"]]) < count:
            assert time.monotonic() < deadline, found
            time.sleep(0.05)
        return found

    def of(self, kind: str, **wanted: Any) -> list[dict[str, Any]]:
        return [
            line for line in self.lines if line["kind"] == kind and line.items() >= wanted.items()
        ]

    def wait_for_line(self, kind: str, **wanted: Any) -> dict[str, Any]:
        with self._changed:
            found = self._changed.wait_for(lambda: self.of(kind, **wanted), BOUND_S)
        assert found, (kind, wanted, self.lines[-20:])
        return found[0]

    def wait_for_notice(self, what: str) -> dict[str, Any]:
        def found() -> list[dict[str, Any]]:
            return [each for each in self.notices if each["notice"] == what]

        with self._changed:
            seen = self._changed.wait_for(found, BOUND_S)
        assert seen, (what, self.notices)
        return seen[0]

    def end_input(self) -> int:
        """Close its input and return its exit code."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(BOUND_S)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


@contextmanager
def program(directory: Path, **environ: str) -> Iterator[Program]:
    running = Program(directory, **environ)
    try:
        yield running
    finally:
        running.close()


def migrate(database: Database) -> None:
    """Apply the base migrations."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    subprocess.run(
        [sys.executable, "-P", "-m", "lab.chirps", "migrate", "up"],
        env={**kept, **database.variables},
        check=True,
        capture_output=True,
    )


def wait_gone(pid: int) -> None:
    """Wait until no process has this id, nor its group."""
    deadline = time.monotonic() + BOUND_S
    while is_there(pid):
        assert time.monotonic() < deadline, f"{pid} is still there"
        time.sleep(0.02)


def is_there(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
