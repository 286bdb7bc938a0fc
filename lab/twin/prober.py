"""When does the kubelet probe a container, and what follows from the answers?

The rules are `doProbe` in k8s.io/kubernetes pkg/kubelet/prober/worker.go and
https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/:
a probe has a result of its own from the start (not ready, live) which a run of equal answers
changes; until the startup probe has succeeded once the other two are not asked; a container
that fails its startup or liveness probe is killed, one that fails its readiness probe is not
touched.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from lab.twin.spec import PodSpec, Probe

LOOPBACK = "127.0.0.1"


class Kind(StrEnum):
    STARTUP = "Startup"
    READINESS = "Readiness"
    LIVENESS = "Liveness"


Ask = Callable[[Probe], Awaitable[str | None]]
"""Probe once; return None, or what was wrong."""


@dataclass(slots=True)
class Threshold:
    """The result of one probe: `good`, until a long enough run of other answers changes it."""

    probe: Probe
    good: bool
    _last: bool | None = None
    _run: int = 0

    def learn(self, ok: bool) -> bool:
        """Take in an answer and return the result; `ok` is no option but what was seen."""
        self._run = self._run + 1 if ok is self._last else 1
        self._last = ok
        if self._run >= (self.probe.successes if ok else self.probe.failures):
            self.good = ok
        return self.good


class Ticks:
    """The moments of a probe: each `period_s` from `origin` on (s), those after `now`.

    A probe that took longer than its period is followed by one at once, not by all it missed.
    """

    def __init__(self, origin: float, period_s: float, *, now: float) -> None:
        self._origin = origin
        self._period_s = period_s
        self._taken = self._passed(now)

    def next(self, now: float) -> float:
        """Return the next moment; it may be past, and is taken then."""
        self._taken = max(self._taken + 1, self._passed(now))
        return self._origin + self._taken * self._period_s

    def _passed(self, now: float) -> int:
        return int((now - self._origin) / self._period_s)


class Prober:
    """Probes one container from its start on; `run` goes on until it is cancelled.

    `pod_began` is when probing of the pod began: the moments of its probes are counted from
    there, also those of a container that was restarted. `tell` hears each failure, `doom` once
    that the container is to be killed.
    """

    def __init__(
        self,
        spec: PodSpec,
        ask: Ask,
        *,
        pod_began: float,
        tell: Callable[[str], None],
        changed: Callable[[], None],
        doom: Callable[[Kind], None],
    ) -> None:
        self._spec = spec
        self._ask = ask
        self._pod_began = pod_began
        self._tell = tell
        self._changed = changed
        self._doom = doom
        self.started = spec.startup is None
        self._ready = Threshold(spec.readiness, good=False) if spec.readiness else None
        self._quiet = False

    @property
    def ready(self) -> bool:
        return self.started and (self._ready is None or self._ready.good)

    def leave(self) -> None:
        """The pod is being deleted: what follows is no reason to kill the container any more."""
        self._quiet = True

    async def run(self) -> None:
        began = asyncio.get_running_loop().time()
        if self._spec.startup and not await self._starts(self._spec.startup, began):
            return
        self.started = True
        self._changed()
        async with asyncio.TaskGroup() as group:
            if self._ready:
                group.create_task(self._watch_readiness(self._ready, began))
            if self._spec.liveness:
                group.create_task(self._watch_liveness(self._spec.liveness, began))

    async def _starts(self, probe: Probe, began: float) -> bool:
        """Return at the first success, or when it has failed for good."""
        result, ticks = Threshold(probe, good=True), self._ticks(probe)
        while not self._quiet:
            await self._next(probe, began, ticks)
            if ok := await self._succeeds(Kind.STARTUP, probe):
                return True
            if not result.learn(ok) and not self._quiet:
                self._doom(Kind.STARTUP)
                return False
        return False

    async def _watch_readiness(self, result: Threshold, began: float) -> None:
        probe, ticks = result.probe, self._ticks(result.probe)
        # The success of a startup probe asks for the readiness probe at once.
        is_asked_for = self._spec.startup is not None
        while True:
            if not is_asked_for:
                await self._next(probe, began, ticks)
            is_asked_for = False
            before = result.good
            if result.learn(await self._succeeds(Kind.READINESS, probe)) != before:
                self._changed()

    async def _watch_liveness(self, probe: Probe, began: float) -> None:
        result, ticks = Threshold(probe, good=True), self._ticks(probe)
        while True:
            await self._next(probe, began, ticks)
            if self._quiet:
                return
            if not result.learn(await self._succeeds(Kind.LIVENESS, probe)) and not self._quiet:
                self._doom(Kind.LIVENESS)
                return

    def _ticks(self, probe: Probe) -> Ticks:
        return Ticks(self._pod_began, probe.period_s, now=asyncio.get_running_loop().time())

    async def _next(self, probe: Probe, began: float, ticks: Ticks) -> None:
        """Wait for the next moment of the probe that is not within its initial delay."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(max(ticks.next(loop.time()) - loop.time(), 0))
            if loop.time() - began >= probe.delay_s:
                return

    async def _succeeds(self, kind: Kind, probe: Probe) -> bool:
        wrong = await self._ask(probe)
        if wrong is not None:
            self._tell(f"{kind} probe failed: {wrong}")
        return wrong is None


async def get(probe: Probe, port: int | None) -> str | None:
    """Ask by HTTP on loopback, as the kubelet does: 200 to 399 within the timeout is a success."""
    url = f'Get "http://{LOOPBACK}:{port or 0}{probe.path}"'
    if port is None:
        return f"{url}: connect: connection refused"
    try:
        async with asyncio.timeout(probe.timeout_s):
            status = await _status(port, probe.path)
    except ConnectionRefusedError:
        return f"{url}: connect: connection refused"
    except TimeoutError:
        return f"{url}: context deadline exceeded"
    except (OSError, ValueError, asyncio.IncompleteReadError) as exc:
        return f"{url}: {exc}"
    return None if 200 <= status < 400 else f"HTTP probe failed with statuscode: {status}"


async def _status(port: int, path: str) -> int:
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    try:
        head = f"GET {path} HTTP/1.1\r\nHost: {LOOPBACK}:{port}\r\n"
        writer.write(f"{head}User-Agent: kube-probe/twin\r\nConnection: close\r\n\r\n".encode())
        line = await reader.readuntil(b"\r\n")
        return int(line.split(b" ", 2)[1])
    except (IndexError, asyncio.LimitOverrunError) as exc:
        raise ValueError("malformed HTTP response") from exc
    finally:
        writer.close()
