"""Run migrations as Jobs that are tried once, as manifests/migration has it.

backoffLimit 0 and restartPolicy Never: the first failure is the end
(https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-backoff-failure-policy).
"""

import asyncio
import signal
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from lab.twin.container import Container
from lab.twin.names import suffix
from lab.twin.pods import NORMAL, WARNING

COMPLETE, FAILED = "Complete", "Failed"


@dataclass(frozen=True, slots=True)
class JobCondition:
    type: str
    reason: str
    message: str


DONE = (
    JobCondition(
        "SuccessCriteriaMet", "CompletionsReached", "Reached expected number of succeeded pods"
    ),
    JobCondition(COMPLETE, "CompletionsReached", "Reached expected number of succeeded pods"),
)
BROKEN = tuple(
    JobCondition(kind, "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    for kind in ("FailureTarget", FAILED)
)


@dataclass(slots=True, eq=False)
class Job:
    """One migration: `pod` is the name of its only pod, `exit_code` None while it runs."""

    name: str
    pod: str
    release: str
    node: str
    arguments: tuple[str, ...]
    uid: str = field(default_factory=lambda: str(uuid.uuid4()))
    pod_uid: str = field(default_factory=lambda: str(uuid.uuid4()))
    container: Container | None = None
    exit_code: int | None = None

    @property
    def active(self) -> int:
        return int(self.exit_code is None)

    @property
    def succeeded(self) -> int:
        return int(self.exit_code == 0)

    @property
    def failed(self) -> int:
        return int(self.exit_code not in (None, 0))

    @property
    def conditions(self) -> tuple[JobCondition, ...]:
        if self.exit_code is None:
            return ()
        return DONE if self.exit_code == 0 else BROKEN


class Surroundings(Protocol):
    """What Jobs need of the world they are in."""

    def launch_job(self, job: Job) -> Container: ...

    def changed(self) -> None: ...

    def event(self, kind: str, reason: str, about: str, message: str) -> None: ...

    def job_ended(self, job: Job) -> None:
        """A Job has failed."""
        ...


class Jobs:
    """All Jobs there are, by name; `group` holds a task for each that runs."""

    def __init__(self, world: Surroundings, group: asyncio.TaskGroup) -> None:
        self._world = world
        self._group = group
        self._found: dict[str, tuple[Job, asyncio.Task[None]]] = {}

    @property
    def all(self) -> list[Job]:
        return [job for job, _ in self._found.values()]

    def __contains__(self, name: str) -> bool:
        return name in self._found

    def start(self, name: str, arguments: Sequence[str], *, release: str, node: str) -> Job:
        """Start a migration; one of its name must have been removed before."""
        assert name not in self._found, name
        job = Job(name, f"{name}-{suffix()}", release, node, tuple(arguments))
        # At once: a world that is stopped before the task has run could start nothing.
        job.container = container = self._world.launch_job(job)
        self._world.event(NORMAL, "SuccessfulCreate", f"Job/{name}", f"Created pod: {job.pod}")
        task = self._group.create_task(self._follow(job, container), name=job.pod)
        self._found[name] = (job, task)
        self._world.changed()
        return job

    async def remove(self, *names: str) -> None:
        """Kill and forget these, or all; a Job goes with its pods and without grace."""
        for name in names or tuple(self._found):
            if name in self._found:
                job, task = self._found[name]
                if job.container is not None:
                    job.container.signal(signal.SIGKILL)
                await asyncio.wait([task])
                self._found.pop(name, None)
                self._world.changed()

    async def _follow(self, job: Job, container: Container) -> None:
        about = f"Job/{job.name}"
        job.exit_code = await container.wait()
        if job.succeeded:
            self._world.event(NORMAL, "Completed", about, "Job completed")
        else:
            self._world.event(WARNING, BROKEN[-1].reason, about, BROKEN[-1].message)
            self._world.job_ended(job)
        self._world.changed()


def job_name(track: str, to: int | None) -> str:
    return f"migrate-{track}" + (f"-{to}" if to is not None else "")


def arguments(track: str, to: int | None, options: Sequence[str] = ()) -> tuple[str, ...]:
    target = ("--to", str(to)) if to is not None else ()
    return ("migrate", "up", "--track", track, *target, *options, "--json")
