"""What happens to a pod, on fake time and with containers that do as they are told."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator

from lab.twin.backoff import BackOff
from lab.twin.pods import Identity, Pod
from lab.twin.spec import PodSpec, Probe, Template
from tests.twin.fake_time import play

SPEC = PodSpec(
    grace_s=30,
    pre_stop_s=5,
    readiness=Probe("/readyz", period_s=1, failures=2),
    liveness=Probe("/livez", period_s=10, failures=2),
)


class FakeContainer:
    """Ends `ends_after_s` after SIGTERM (None: never), and at once by SIGKILL."""

    def __init__(self, ends_after_s: float | None) -> None:
        self.port: int | None = 4000
        self.pid = 1
        self.signals: list[tuple[float, int]] = []
        self._ends_after_s = ends_after_s
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def wait(self) -> int:
        return await asyncio.shield(self._ended)

    def signal(self, number: int) -> None:
        loop = asyncio.get_running_loop()
        self.signals.append((loop.time(), number))
        if number == signal.SIGKILL:
            self.end(137)
        elif self._ends_after_s is not None:
            loop.call_later(self._ends_after_s, self.end, 0)

    def end(self, code: int) -> None:
        if not self._ended.done():
            self._ended.set_result(code)

    def last_words(self) -> str:
        return "good bye"


class FakeWorld:
    def __init__(self) -> None:
        self.began = asyncio.get_running_loop().time()
        self.containers: list[FakeContainer] = []
        self.started: list[float] = []
        self.events: list[tuple[float, str, str]] = []
        self.wrong: set[str] = set()
        self.ended_by_themselves = 0
        self.ends_after_s: float | None = 1
        self.crashes_after_s: float | None = None

    @property
    def now(self) -> float:
        return round(asyncio.get_running_loop().time() - self.began, 3)

    def launch(self, pod: Pod) -> FakeContainer:
        container = FakeContainer(self.ends_after_s)
        if self.crashes_after_s is not None:
            asyncio.get_running_loop().call_later(self.crashes_after_s, container.end, 1)
        self.containers.append(container)
        self.started.append(self.now)
        return container

    async def ask(self, pod: Pod, probe: Probe) -> str | None:
        return "wrong" if probe.path in self.wrong else None

    def changed(self) -> None:
        pass

    def event(self, kind: str, reason: str, about: str, message: str) -> None:
        self.events.append((self.now, reason, message))

    def ended(self, pod: Pod) -> None:
        self.ended_by_themselves += 1

    def signals(self, number: int = -1) -> list[tuple[float, int]]:
        found = self.containers[number].signals
        return [(round(t - self.began, 3), signal.Signals(n)) for t, n in found]


@contextlib.asynccontextmanager
async def living(spec: PodSpec = SPEC) -> AsyncIterator[tuple[Pod, FakeWorld]]:
    world = FakeWorld()
    identity = Identity("pod-1", "set-1", Template("v1"), "n3", created=world.began)
    pod = Pod(identity, spec, world)
    task = asyncio.create_task(pod.run())
    try:
        yield pod, world
    finally:
        pod.delete(0)
        await task
        assert pod.gone.is_set()


def test_a_pod_that_is_deleted_has_its_hook_then_sigterm() -> None:
    async def scene() -> None:
        async with living() as (pod, world):
            await asyncio.sleep(3)
            assert pod.ready
            pod.delete()
            await asyncio.sleep(4)
            assert (pod.terminating, pod.ready, world.signals()) == (True, True, [])
            await pod.gone.wait()
            assert world.signals() == [(8, signal.SIGTERM)]
            assert world.now == 9
            assert not pod.ready

    play(scene())


def test_sigkill_comes_when_the_grace_with_the_hook_in_it_is_over() -> None:
    async def scene() -> None:
        async with living() as (pod, world):
            world.ends_after_s = None
            world.containers[:] = []
            await asyncio.sleep(0)
            pod.delete()
            await pod.gone.wait()
            assert world.signals() == [(5, signal.SIGTERM), (30, signal.SIGKILL)]

    async def with_patience() -> None:
        await scene()

    play(with_patience())


def test_a_hook_that_takes_up_the_grace_leaves_two_seconds() -> None:
    async def scene() -> None:
        async with living(PodSpec(grace_s=4, pre_stop_s=10)) as (pod, world):
            world.ends_after_s = None
            await asyncio.sleep(0)
            pod.delete()
            await pod.gone.wait()
            assert world.signals() == [(4, signal.SIGTERM), (6, signal.SIGKILL)]

    play(scene())


def test_a_pod_that_ends_is_killed_at_once_when_nobody_has_patience_any_more() -> None:
    async def scene() -> None:
        async with living() as (pod, world):
            await asyncio.sleep(1)
            pod.delete()
            await asyncio.sleep(1)
            pod.delete(0)
            await pod.gone.wait()
            assert world.signals() == [(2, signal.SIGKILL)]

    play(scene())


def test_a_container_that_ends_is_started_at_once_and_then_after_longer_and_longer() -> None:
    async def scene() -> None:
        async with living() as (pod, world):
            world.crashes_after_s = 1
            await asyncio.sleep(0)
            await asyncio.sleep(100)
            assert world.started == [0, 1, 12, 33, 74]
            assert (pod.restarts, pod.exit_code, pod.last_words) == (4, 1, "good bye")
            assert world.ended_by_themselves == 5
            assert pod.reason == "CrashLoopBackOff"
            assert [t for t, reason, _ in world.events if reason == "BackOff"] == [2, 13, 34, 75]

    play(scene())


def test_a_pod_that_is_deleted_while_it_waits_is_gone_at_once() -> None:
    async def scene() -> None:
        async with living() as (pod, world):
            world.crashes_after_s = 1
            await asyncio.sleep(50)
            pod.delete()
            await pod.gone.wait()
            assert world.now == 50

    play(scene())


def test_the_back_off_ends_at_five_minutes_and_is_forgotten_after_ten() -> None:
    backoff, now, waits = BackOff(), 0.0, []
    for _ in range(8):
        waits.append(backoff.wait_s(now))
        now += waits[-1] + 1

    assert waits == [0, 10, 20, 40, 80, 160, 300, 300]
    assert backoff.wait_s(now + 601) == 0


def test_a_container_that_is_not_live_is_ended_in_good_order_and_started_again() -> None:
    async def scene() -> None:
        async with living() as (pod, world):
            world.wrong = {"/livez"}
            await asyncio.sleep(22)
            world.wrong = set()
            await asyncio.sleep(10)
            assert world.signals(0) == [(25, signal.SIGTERM)]
            assert world.started == [0, 26]
            assert (pod.restarts, pod.exit_code, pod.ready) == (1, 0, True)
            assert pod.reason == "Completed"
            assert world.ended_by_themselves == 0
            killing = [message for _, reason, message in world.events if reason == "Killing"]
            assert killing == ["Container chirps failed liveness probe, will be restarted"]

    play(scene())


def test_a_pod_whose_readiness_fails_is_not_touched() -> None:
    async def scene() -> None:
        async with living() as (pod, world):
            await asyncio.sleep(5)
            world.wrong = {"/readyz"}
            await asyncio.sleep(5)
            assert not pod.ready
            assert (world.signals(), pod.restarts) == ([], 0)

    play(scene())


def test_readiness_is_probed_while_a_pod_ends() -> None:
    async def scene() -> None:
        async with living() as (pod, world):
            await asyncio.sleep(5)
            pod.delete()
            world.wrong = {"/readyz"}
            await asyncio.sleep(3)
            assert (pod.terminating, pod.ready) == (True, False)
            assert pod.port == 4000

    play(scene())


def test_a_pod_that_ends_is_not_said_to_fail_its_liveness_probe() -> None:
    async def scene() -> None:
        async with living(PodSpec(grace_s=60, pre_stop_s=50, liveness=SPEC.liveness)) as (
            pod,
            world,
        ):
            await asyncio.sleep(5)
            pod.delete()
            world.wrong = {"/livez"}
            await pod.gone.wait()
            assert world.now == 56
            killing = [message for _, reason, message in world.events if reason == "Killing"]
            assert killing == ["Stopping container chirps"]

    play(scene())
