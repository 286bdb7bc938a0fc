"""What happens to a pod from its creation until it is gone? What the kubelet does, for one.

https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/: a container that ends is
started again (restartPolicy Always) after a back-off, one that fails a probe is ended first.
Ending means: the preStop hook, SIGTERM, and SIGKILL when the grace period is over, in which
the hook counts; if the hook takes it all up, 2 s are added once
(https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination).
"""

import asyncio
import contextlib
import signal
import uuid
from dataclasses import dataclass, field
from typing import Any, Protocol

from lab.twin.backoff import BackOff
from lab.twin.container import Container
from lab.twin.prober import Kind, Prober
from lab.twin.spec import PodSpec, Probe, Template

LEAST_AFTER_HOOK_S = 2.0
CREATING = "ContainerCreating"
CRASH_LOOP = "CrashLoopBackOff"
COMPLETED, ERROR = "Completed", "Error"
NORMAL, WARNING = "Normal", "Warning"


class Surroundings(Protocol):
    """What a pod needs of the world it is in."""

    def launch(self, pod: "Pod") -> Container:
        """Start its container."""
        ...

    async def ask(self, pod: "Pod", probe: Probe) -> str | None:
        """Probe its container once; return None, or what was wrong."""
        ...

    def changed(self) -> None:
        """Something about a pod is different now."""
        ...

    def event(self, kind: str, reason: str, about: str, message: str) -> None:
        """Tell an event, as `kubectl get events` would show it."""
        ...

    def ended(self, pod: "Pod") -> None:
        """A container has ended and nobody has told it to."""
        ...


@dataclass(frozen=True, slots=True)
class Identity:
    """`owner` is its ReplicaSet's name, `node` a label; `created` in seconds of the loop."""

    name: str
    owner: str
    template: Template
    node: str
    created: float
    uid: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def release(self) -> str:
        return self.template.release


class Pod:
    """One pod; `run` returns when it is gone."""

    def __init__(
        self, identity: Identity, spec: PodSpec, world: Surroundings, backoff: BackOff | None = None
    ) -> None:
        self.identity = identity
        self.container: Container | None = None
        self.restarts = 0
        self.exit_code: int | None = None
        self.phase = "Pending"
        self.ready_since: float | None = None
        self.last_words = ""
        """The last line that its last container wrote."""
        self.gone = asyncio.Event()
        self._last_port: int | None = None
        self._spec = spec
        self._world = world
        self._backoff = backoff or BackOff()
        self._waiting: str | None = CREATING
        self._ended: str | None = None
        self._prober: Prober | None = None
        self._deleted = asyncio.Event()
        self._killed = asyncio.Event()
        self._grace_s = spec.grace_s

    @property
    def name(self) -> str:
        return self.identity.name

    @property
    def terminating(self) -> bool:
        return self._deleted.is_set()

    @property
    def ready(self) -> bool:
        return self.ready_since is not None

    @property
    def port(self) -> int | None:
        """Where it serves, else where it did the last time."""
        return (self.container.port if self.container else None) or self._last_port

    @property
    def reason(self) -> str | None:
        """Why it waits, else why it ended the last time."""
        return self._waiting or self._ended

    def delete(self, grace_s: float | None = None) -> None:
        """Begin to end it; with a grace of 0 at once, also when it is ending already."""
        if not self.terminating:
            self._grace_s = self._spec.grace_s if grace_s is None else grace_s
            self._deleted.set()
            self._leave()
            if self.container is not None:
                self._event(NORMAL, "Killing", "Stopping container chirps")
        if grace_s == 0:
            self._killed.set()
        self._world.changed()

    def _leave(self) -> None:
        if self._prober is not None:
            self._prober.leave()

    async def run(self) -> None:
        """Start the container again and again until the pod is deleted."""
        while not self.terminating:
            await self._live()
            if not self.terminating:
                await self._wait_before_restart()
        self.gone.set()

    async def _live(self) -> None:
        """Take one container from its start to its end."""
        self.container = container = self._world.launch(self)
        self.phase, self._waiting = "Running", None
        self._prober, doomed = self._make_prober()
        self._event(NORMAL, "Started", "Container started")
        self._look()
        exited = asyncio.create_task(container.wait())
        probing = asyncio.create_task(self._prober.run())
        try:
            await self._wait_until_it_must_end(exited, doomed)
            by_itself = exited.done()
            if not by_itself:
                # Its readiness is probed until it has ended.
                await self._end(container, exited)
            self._record(await exited, by_itself=by_itself)
        finally:
            await cancel(exited, probing)

    def _make_prober(self) -> tuple[Prober, asyncio.Event]:
        doomed = asyncio.Event()

        def doom(kind: Kind) -> None:
            said = f"Container chirps failed {kind.lower()} probe, will be restarted"
            self._event(NORMAL, "Killing", said)
            doomed.set()

        prober = Prober(
            self._spec,
            lambda probe: self._world.ask(self, probe),
            pod_began=self.identity.created,
            tell=lambda said: self._event(WARNING, "Unhealthy", said),
            changed=self._look,
            doom=doom,
        )
        return prober, doomed

    async def _wait_until_it_must_end(
        self, exited: "asyncio.Task[int]", doomed: asyncio.Event
    ) -> None:
        waits = [asyncio.create_task(event.wait()) for event in (doomed, self._deleted)]
        try:
            await asyncio.wait((exited, *waits), return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel(*waits)

    async def _end(self, container: Container, exited: "asyncio.Task[int]") -> None:
        """End a running container in good order; return when it has ended."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._grace_s
        if self._spec.pre_stop_s and not self._killed.is_set():
            await self._wait(exited, min(self._spec.pre_stop_s, self._grace_s))
        if not exited.done() and not self._killed.is_set():
            container.signal(signal.SIGTERM)
            left_s = max(deadline - loop.time(), LEAST_AFTER_HOOK_S)
            await self._wait(exited, left_s)
        if not exited.done():
            container.signal(signal.SIGKILL)
        await asyncio.wait([exited])

    async def _wait(self, exited: "asyncio.Task[int]", seconds: float) -> None:
        """Wait for the end of the container, for so long, or until there is no more patience."""
        killed = asyncio.create_task(self._killed.wait())
        try:
            await asyncio.wait(
                (exited, killed), timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            await cancel(killed)

    def _record(self, code: int, *, by_itself: bool) -> None:
        self.exit_code = code
        self._ended = COMPLETED if code == 0 else ERROR
        self._last_port = self.port
        self.last_words = self.container.last_words() if self.container else ""
        if by_itself:
            self._world.ended(self)
        self._prober = None
        self.container = None
        self._look()

    async def _wait_before_restart(self) -> None:
        wait_s = self._backoff.wait_s(asyncio.get_running_loop().time())
        if wait_s:
            self._waiting = CRASH_LOOP
            self._event(
                WARNING,
                "BackOff",
                f"Back-off restarting failed container chirps in pod {self.name}",
            )
            self._world.changed()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._deleted.wait()
        if not self.terminating:
            self.restarts += 1

    def _look(self) -> None:
        """See whether it is ready now, and where it serves."""
        ready = self._prober is not None and self._prober.ready
        if ready and self.ready_since is None:
            self.ready_since = asyncio.get_running_loop().time()
        elif not ready:
            self.ready_since = None
        self._world.changed()

    def _event(self, kind: str, reason: str, message: str) -> None:
        self._world.event(kind, reason, f"Pod/{self.name}", message)


async def cancel(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel them and wait for their end; raise what any of them failed with."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled() and (error := task.exception()):
            raise error
