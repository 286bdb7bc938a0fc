"""The kubelet's probes, on fake time; and one probe by HTTP, on a real socket."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from lab.twin.prober import Kind, Prober, Threshold, Ticks, get
from lab.twin.spec import PodSpec, Probe
from tests.twin.fake_time import play

STARTUP = Probe("/startupz", period_s=1, failures=5)
READINESS = Probe("/readyz", period_s=2, failures=3)
LIVENESS = Probe("/livez", period_s=10, failures=2)


class Scene:
    """A container that answers its probes as told; what was asked, when, and what followed."""

    def __init__(self, spec: PodSpec) -> None:
        self.began = asyncio.get_running_loop().time()
        self.wrong: set[str] = set()
        self.asked: list[tuple[float, str]] = []
        self.said: list[str] = []
        self.doomed: list[tuple[float, Kind]] = []
        self.changes: list[tuple[float, bool]] = []
        self.takes_s = 0.0
        self.prober = Prober(
            spec,
            self.ask,
            pod_began=self.began,
            tell=self.said.append,
            changed=lambda: self.changes.append((self.now, self.prober.ready)),
            doom=lambda kind: self.doomed.append((self.now, kind)),
        )

    @property
    def now(self) -> float:
        return round(asyncio.get_running_loop().time() - self.began, 3)

    async def ask(self, probe: Probe) -> str | None:
        self.asked.append((self.now, probe.path))
        await asyncio.sleep(self.takes_s)
        return "it is broken" if probe.path in self.wrong else None

    def times(self, path: str) -> list[float]:
        return [t for t, asked in self.asked if asked == path]


@contextlib.asynccontextmanager
async def probing(spec: PodSpec) -> AsyncIterator[Scene]:
    scene = Scene(spec)
    task = asyncio.create_task(scene.prober.run())
    try:
        yield scene
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def test_readiness_and_liveness_wait_for_the_startup_probe() -> None:
    async def scene() -> None:
        async with probing(PodSpec(startup=STARTUP, readiness=READINESS, liveness=LIVENESS)) as it:
            it.wrong = {"/startupz"}
            await asyncio.sleep(3.5)
            assert it.times("/readyz") == it.times("/livez") == []
            it.wrong = set()
            await asyncio.sleep(20)
            assert it.times("/startupz") == [1, 2, 3, 4]
            assert it.times("/readyz")[0] == 4
            assert it.times("/livez") == [10, 20]
            assert (4, True) in it.changes

    play(scene())


def test_a_container_that_does_not_start_is_killed_after_its_failures() -> None:
    async def scene() -> None:
        async with probing(PodSpec(startup=STARTUP, readiness=READINESS)) as it:
            it.wrong = {"/startupz"}
            await asyncio.sleep(60)
            assert it.doomed == [(5, Kind.STARTUP)]
            assert it.times("/startupz") == [1, 2, 3, 4, 5]
            assert it.times("/readyz") == []
            assert it.said[0] == "Startup probe failed: it is broken"

    play(scene())


def test_readiness_changes_after_a_run_of_failures_and_with_the_first_success() -> None:
    async def scene() -> None:
        async with probing(PodSpec(readiness=READINESS)) as it:
            await asyncio.sleep(2.5)
            assert it.prober.ready
            it.wrong = {"/readyz"}
            await asyncio.sleep(10)
            it.wrong = set()
            await asyncio.sleep(10)
            assert it.changes == [(0, False), (2, True), (8, False), (14, True)]
            assert it.doomed == []

    play(scene())


def test_a_success_between_failures_begins_their_count_anew() -> None:
    threshold = Threshold(READINESS, good=True)

    answers = [threshold.learn(ok) for ok in (False, False, True, False, False, False)]

    assert answers == [True, True, True, True, True, False]


def test_a_liveness_probe_kills_once_and_is_held_until_there_is_a_new_container() -> None:
    async def scene() -> None:
        async with probing(PodSpec(liveness=LIVENESS, readiness=READINESS)) as it:
            it.wrong = {"/livez"}
            await asyncio.sleep(100)
            assert it.doomed == [(20, Kind.LIVENESS)]
            assert it.times("/livez") == [10, 20]
            assert it.times("/readyz")[-1] >= 98

    play(scene())


def test_a_pod_that_is_deleted_is_not_killed_by_its_liveness_probe() -> None:
    async def scene() -> None:
        async with probing(PodSpec(liveness=LIVENESS, readiness=READINESS)) as it:
            it.wrong = {"/livez"}
            await asyncio.sleep(15)
            it.prober.leave()
            await asyncio.sleep(100)
            assert it.doomed == []
            assert it.times("/readyz")[-1] > 100

    play(scene())


def test_without_probes_a_container_is_ready_when_it_runs() -> None:
    async def scene() -> None:
        async with probing(PodSpec()) as it:
            await asyncio.sleep(0.1)
            assert it.changes == [(0, True)]

    play(scene())


def test_an_initial_delay_lets_moments_pass() -> None:
    async def scene() -> None:
        async with probing(PodSpec(readiness=Probe("/readyz", period_s=2, delay_s=5))) as it:
            await asyncio.sleep(9)
            assert it.times("/readyz") == [6, 8]

    play(scene())


def test_a_probe_that_takes_long_is_followed_by_one_and_not_by_all_that_were_missed() -> None:
    async def scene() -> None:
        async with probing(PodSpec(readiness=READINESS)) as it:
            it.takes_s = 5
            await asyncio.sleep(8)
            it.takes_s = 0
            await asyncio.sleep(9)
            assert it.times("/readyz") == [2, 7, 12, 14, 16]

    play(scene())


def test_the_moments_of_a_restarted_container_are_those_of_its_pod() -> None:
    ticks = Ticks(100, 10, now=127)

    assert [ticks.next(127), ticks.next(130), ticks.next(155)] == [130, 140, 150]


async def serve_once(answer: Callable[[asyncio.StreamWriter], Any], probe: Probe) -> str | None:
    over = asyncio.Event()

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer(writer)
        with contextlib.suppress(OSError):
            while await reader.read(1000):
                pass
        writer.close()
        over.set()

    async with await asyncio.start_server(on_connection, "127.0.0.1", 0) as server:
        found = await get(probe, server.sockets[0].getsockname()[1])
        await over.wait()
        return found


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", None),
        (b"HTTP/1.1 399 Odd\r\n\r\n", None),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "statuscode: 503"),
        (b"nonsense\r\n", "malformed"),
        (b"", "deadline exceeded"),
    ],
)
def test_what_counts_as_a_success(answer: bytes, wrong: str | None) -> None:
    found = asyncio.run(serve_once(lambda writer: writer.write(answer), Probe("/", timeout_s=0.2)))

    assert (found is None) if wrong is None else (found is not None and wrong in found)


def test_a_connection_that_is_cut_or_refused_is_a_failure() -> None:
    found = asyncio.run(serve_once(lambda writer: writer.transport.abort(), Probe("/")))

    assert found is not None
    assert "refused" in str(asyncio.run(get(Probe("/"), None)))
    assert "refused" in str(asyncio.run(get(Probe("/"), 1)))
