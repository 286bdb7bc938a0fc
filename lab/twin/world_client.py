"""Drive a world: `python -m lab.twin` as a child, told what to do and asked what it saw.

What it says is told in `lab.twin`. A thread reads it, so the world never waits for us, and what
is asked here waits with a bound.
"""

import json
import queue
import shlex
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab import errors
from lab.errors import LabError, TwinFailed
from lab.twin.deployment import RolloutRefused
from lab.twin.programs import bytecode, close, end, environment, how_it_ended
from lab.twin.tether import tethered
from lab.twin.workplace import Workplace

Line = Mapping[str, Any]
ANSWER_WITHIN_S = 15.0
# It ends its pods first, by the rules of pods.
GRACE_S = 15.0
WORLD = (sys.executable, "-P", "-m", "lab.twin")


class WorldClient:
    """One world. Commands may be sent from several threads."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.log = log
        self._process = process
        self._answers: dict[int, Line] = {}
        self._lines: queue.SimpleQueue[Line] = queue.SimpleQueue()
        self._notices: queue.SimpleQueue[Line] = queue.SimpleQueue()
        self._sent = 0
        self._silent = False
        self._sending = threading.Lock()
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._listen, name="world", daemon=True)
        self._reader.start()

    @classmethod
    def start(cls, workplace: Workplace, *, argv: tuple[str, ...] = WORLD) -> "WorldClient":
        """Start a world, whose own errors go to a log in the workplace."""
        log = workplace.directory("logs") / "world.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                tethered(argv, grace_s=GRACE_S, alive=workplace.lock),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                cwd=workplace.path,
                env=environment(bytecode(workplace.path)),
            )
        return cls(process, log)

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def ask(self, do: str, *, bound_s: float = ANSWER_WITHIN_S, **told: Any) -> dict[str, Any]:
        """Give a command and return its answer, without `id` and `ok`.

        Raises what the world answers, as a LabError of the same name where there is one, and
        TwinFailed when the world is gone, does not answer in time, or has met a mistake of ours.
        """
        number = self._send(do, told)
        with self._changed:
            self._changed.wait_for(lambda: number in self._answers or self._silent, bound_s)
            answer = self._answers.pop(number, None)
        if answer is None:
            raise self._unanswered(do, bound_s)
        if "error" in answer:
            raise error_of(answer["error"], hint=self._hint)
        return {name: value for name, value in answer.items() if name not in ("id", "ok")}

    def read(self) -> list[Line]:
        """Return the lines of the history since the last read; at once, also when it is none.

        Raises TwinFailed when the world is gone and all it said has been read.
        """
        lines = drain(self._lines)
        if not lines and self._silent:
            raise self._gone()
        return lines

    def notices(self) -> list[Line]:
        """Return what the world told us beside the history, since this was last asked."""
        return drain(self._notices)

    def close(self) -> None:
        """End the world with all its pods; may be done twice."""
        close(self._process.stdin)
        try:
            self._process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            end(self._process)
        self._reader.join()
        end(self._process)

    def _send(self, do: str, told: Mapping[str, Any]) -> int:
        assert self._process.stdin is not None
        with self._sending:
            self._sent += 1
            line = json.dumps({"id": self._sent, "do": do, **told}) + "\n"
            try:
                self._process.stdin.write(line.encode())
                self._process.stdin.flush()
            except (OSError, ValueError) as exc:
                raise self._gone() from exc
            return self._sent

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for text in self._process.stdout:
            try:
                self._hear(json.loads(text))
            except ValueError:
                self._notices.put({"notice": "unreadable", "detail": text.decode(errors="replace")})
        with self._changed:
            self._silent = True
            self._changed.notify_all()

    def _hear(self, said: Line) -> None:
        if said.get("id") is not None:
            with self._changed:
                self._answers[said["id"]] = said
                self._changed.notify_all()
        elif "kind" in said:
            self._lines.put(said)
        else:
            self._notices.put(said)

    @property
    def _hint(self) -> str:
        return f"cat {shlex.quote(str(self.log))}"

    def _unanswered(self, do: str, bound_s: float) -> TwinFailed:
        if self._silent:
            return self._gone()
        return TwinFailed(f"the twin did not answer {do!r} within {bound_s:g} s", hint=self._hint)

    def _gone(self) -> TwinFailed:
        """Say how the world ended; its tether ends a moment after its output does."""
        try:
            status = self._process.wait(ANSWER_WITHIN_S)
        except subprocess.TimeoutExpired:
            return TwinFailed("the twin has closed its output", hint=self._hint)
        return TwinFailed(f"the twin {how_it_ended(status, self.log)}", hint=self._hint)


def drain(waiting: "queue.SimpleQueue[Line]") -> list[Line]:
    lines = []
    while not waiting.empty():
        lines.append(waiting.get())
    return lines


def error_of(said: Mapping[str, Any], *, hint: str) -> LabError:
    """Return the error of that name, TwinFailed for one that is not ours to raise."""
    kind, message = said.get("kind", ""), str(said.get("message", ""))
    known = {**vars(errors), RolloutRefused.__name__: RolloutRefused}.get(kind)
    if isinstance(known, type) and issubclass(known, LabError):
        try:
            return known(message, hint=said.get("hint"))
        except TypeError:  # one that wants to know more than a message
            pass
    return TwinFailed(message if kind != "Bug" else f"the twin met a bug:\n{message}", hint=hint)
