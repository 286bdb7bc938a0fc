"""How does a process leave: once, in its time, whatever hangs?"""

import asyncio
import signal
import threading
import time
from typing import Any

import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from lab.chirps import bounded, server
from lab.chirps.bounded import LastResort
from lab.chirps.drain import CLOSE_POOL_S, END_S, STOP_WORKERS_S, Budget, Drain
from lab.chirps.server import Server, Stages
from tests.chirps.asgi import call
from tests.chirps.service import run


@given(st.floats(min_value=0.001, max_value=3600))
def test_requests_are_cut_off_and_answered_within_what_was_asked_for(graceful_s: float) -> None:
    budget = Budget(graceful_s)

    assert 0 < budget.cut_off_s < graceful_s
    assert budget.cut_off_s + budget.last_word_s <= graceful_s * (1 + 1e-9)
    assert budget.whole_s == graceful_s + STOP_WORKERS_S + CLOSE_POOL_S + END_S


def test_the_default_budget_and_a_pause_of_5_s_fit_in_the_grace_of_kubernetes() -> None:
    assert 5 + Budget(15).whole_s < 30


class Leaving(RuleBasedStateMachine):
    """Signals at any time, any number of them."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.drain = Drain()
        self.told: list[float] = []

    @rule(seconds=st.floats(min_value=0, max_value=60))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def is_told(self) -> None:
        first = self.drain.begin(self.now)
        assert first == (not self.told)
        self.told.append(self.now)

    @invariant()
    def it_drains_from_the_first_time_on_and_for_good(self) -> None:
        assert self.drain.draining == bool(self.told)

    @invariant()
    def a_later_signal_moves_no_deadline(self) -> None:
        assert self.drain.told == (self.told[0] if self.told else None)


TestLeaving = Leaving.TestCase
TestLeaving.settings = settings(max_examples=50, deadline=None)


class Clinging:
    """A task that ends only when it is told so often, as psycopg without its server."""

    def __init__(self, times: int) -> None:
        self.left = times

    async def run(self) -> None:
        while self.left:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.left -= 1


def test_what_must_be_told_twice_is_told_twice() -> None:
    async def story() -> list[Any]:
        tasks = [asyncio.create_task(Clinging(times).run()) for times in (1, 2)]
        await asyncio.sleep(0)
        return await bounded.stop(tasks, 5)

    assert run(story()) == []


def test_what_does_not_end_is_left_behind() -> None:
    async def story() -> int:
        clinging = Clinging(3)
        task = asyncio.create_task(clinging.run())
        await asyncio.sleep(0)
        left = await bounded.stop([task], 0.02)
        assert left == [task]
        return clinging.left

    assert run(story()) == 1


def test_nothing_to_stop_is_stopped_at_once() -> None:
    assert run(bounded.stop([], 3600)) == []


def test_who_is_no_longer_waited_for_is_told_to_end() -> None:
    async def story() -> bool:
        task = asyncio.create_task(asyncio.sleep(3600))
        waiting = asyncio.create_task(bounded.ended(task, 3600))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait((task,), timeout=20)
        return task.cancelled()

    assert run(story())


def test_what_ended_in_time_is_not_told_anything() -> None:
    async def story() -> tuple[bool, str]:
        task = asyncio.create_task(asyncio.sleep(0, "done"))
        return await bounded.ended(task, 20), task.result()

    assert run(story()) == (True, "done")


def test_the_last_resort_ends_the_process_with_the_code_it_was_given() -> None:
    codes: list[int] = []
    rung = threading.Event()

    def end(code: int) -> None:
        codes.append(code)
        rung.set()

    last = LastResort(end)
    last.exit_code = 78
    last.within(3600)
    last.within(0.01)

    assert rung.wait(20)
    assert codes == [78]


def test_the_last_resort_can_be_put_off() -> None:
    codes: list[int] = []
    last = LastResort(codes.append)

    last.within(0.05)
    last.within(3600)
    time.sleep(0.2)
    last.let_go()

    assert codes == []


class Ending:
    """The stages after serving, with workers and a pool of one's own."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self.caplog = caplog
        self.given: list[float] = []
        self.last = LastResort(lambda code: None)
        self.last.within = self.given.append  # type: ignore[method-assign]

    def run(self, worker: Any, close_pool: Any) -> list[str]:
        async def story() -> None:
            workers = [asyncio.create_task(worker())]
            await asyncio.sleep(0)
            await server.end(workers, close_pool, Stages(), self.last)

        with self.caplog.at_level("INFO", "lab.chirps"):
            run(story())
        return [str(vars(record)["stage"]) for record in self.caplog.records]


async def works() -> None: ...


async def for_ever() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("worker", [works, for_ever])
@pytest.mark.parametrize("pool", [works, for_ever])
def test_every_stage_is_reached_whatever_hangs(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, worker: Any, pool: Any
) -> None:
    monkeypatch.setattr(server, "CLOSE_POOL_S", 0.05)
    ending = Ending(caplog)

    assert ending.run(worker, pool) == ["workers stopped", "pool closed"]
    assert ending.given == [END_S]


def test_a_worker_that_hangs_is_counted(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "STOP_WORKERS_S", 0.05)

    Ending(caplog).run(Clinging(4).run, works)

    assert vars(caplog.records[0])["hung"] == 1


def test_sigterm_before_there_is_anything_to_finish_ends_with_0() -> None:
    before = signal.getsignal(signal.SIGTERM)

    with pytest.raises(SystemExit) as ended, server.leaving_at_once():
        signal.raise_signal(signal.SIGTERM)

    assert ended.value.code == 0
    assert signal.getsignal(signal.SIGTERM) == before


def test_sigterm_after_everything_is_finished_is_ignored() -> None:
    before = signal.getsignal(signal.SIGTERM)
    try:
        with server.leaving_at_once():
            pass
        signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)


def make_server(last: LastResort, drain: Drain) -> Server:
    config = uvicorn.Config(call, log_config=None)
    return Server(config, drain, Stages(), graceful_s=15, last_resort=last)


def test_a_second_signal_moves_neither_the_stages_nor_the_last_resort(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ending, drain = Ending(caplog), Drain()
    leaving = make_server(ending.last, drain)

    with caplog.at_level("INFO", "lab.chirps"):
        leaving.leave(15)
        told = drain.told
        leaving.leave(15)
        leaving.leave(2)

    assert (drain.told, leaving.should_exit) == (told, True)
    assert ending.given == [Budget(15).whole_s]
    said = [(each.getMessage(), vars(each).get("signal")) for each in caplog.records]
    assert said == [("shutdown", "SIGTERM"), ("told again", "SIGTERM"), ("told again", "SIGINT")]


def test_a_wall_clock_that_jumps_moves_no_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    def must_not_be_called() -> float:
        raise AssertionError("who asks for the wall clock?")

    drain = Drain()
    last = LastResort(lambda code: None)
    leaving = make_server(last, drain)
    monkeypatch.setattr(time, "time", must_not_be_called)
    monkeypatch.setattr(server.logger, "disabled", True)  # a line has its time of day

    leaving.leave(15)
    last.let_go()

    assert drain.told is not None
    assert abs(drain.told - time.monotonic()) < 60
