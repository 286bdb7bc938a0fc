"""Tell what a run is doing while it runs, phase by phase, from the events it records."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from lab.progress import Progress, Task
from lab.scenario.events import Event

TITLES = {
    "setup": "resetting service and data",
    "baseline": "watching a clean baseline",
    "run": "playing the timeline",
    "recover": "recovering",
    "settle": "waiting until it is quiet",
    "verify": "auditing what was acknowledged",
    "teardown": "closing the run",
}


@dataclass(slots=True)
class Narrator:
    """A context manager around the run of one variant; call it with events as they come."""

    variant: str
    progress: Progress
    requests: int = 0
    failures: int = 0
    step: str = ""
    phase: str = ""
    _task: Task | None = None
    _open: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> "Narrator":
        self._begin("setup")
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self._open.__exit__(kind, *rest)  # type: ignore[arg-type]

    def __call__(self, events: Sequence[Event]) -> None:
        for event in events:
            match event["kind"]:
                case "phase":
                    self._begin(event["name"])
                case "step" if event["what"] == "waiting":
                    self.step = f"{event['name']}: {event.get('detail', '')}"
                case "request":
                    self.requests += 1
                    self.failures += event["outcome"] != "ok"
        if self._task:
            told = f"{self.requests} requests, {self.failures} failed"
            self._task.advance(0, 0, f"{self.step}  {told}".strip())

    def _begin(self, phase: str) -> None:
        if phase == self.phase:
            return
        self._open.close()
        self._open = ExitStack()
        self.phase, self.step = phase, ""
        title = f"{self.variant}: {TITLES.get(phase, phase)}"
        self._task = self._open.enter_context(self.progress.task(title))
