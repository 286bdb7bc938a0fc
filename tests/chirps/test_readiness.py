"""What does a history of checks make of a pod, under each policy?"""

import asyncio
import datetime
import time
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from lab.chirps import readiness
from lab.chirps.readiness import EVERY_S, ROUNDS, Check, Kind, Policy, Readiness, Unwell
from tests.chirps.service import run

NEVER_STALE_S = ROUNDS * EVERY_S


async def works() -> None: ...


def make(policy: Policy = Policy.LATCH) -> tuple[Readiness, Check, Check]:
    own, shared = Check("own", Kind.PRIVATE, works), Check("database", Kind.SHARED, works)
    return Readiness((own, shared), policy), own, shared


def test_deep_takes_every_pod_out_when_the_database_is_away() -> None:
    found, own, shared = make(Policy.DEEP)
    own.learn(None, 1)
    shared.learn(None, 1)
    assert found.is_ready(1)

    shared.learn("gone", 2)

    assert not found.is_ready(2)
    assert found.answer(draining=False, now=2)["degraded"] == []


def test_shallow_is_ready_before_anything_was_looked_at() -> None:
    found, own, shared = make(Policy.SHALLOW)

    assert found.is_ready(0)
    shared.learn("wrong password", 1)
    own.learn("broken", 1)
    assert found.is_ready(1)
    assert found.answer(draining=False, now=1)["degraded"] == ["own", "database"]


@pytest.mark.parametrize("policy", Policy)
def test_a_pod_that_drains_is_not_ready_under_any_policy(policy: Policy) -> None:
    found, own, shared = make(policy)
    own.learn(None, 1)
    shared.learn(None, 1)

    assert found.answer(draining=False, now=1)["ready"]
    assert not found.answer(draining=True, now=1)["ready"]


def test_a_shallow_start_waits_for_what_is_private_and_not_for_the_database() -> None:
    found, own, _ = make(Policy.SHALLOW)
    assert not found.is_started

    own.learn(None, 1)

    assert found.is_started


@pytest.mark.parametrize("policy", Policy)
def test_a_check_may_hold_the_start_under_every_policy(policy: Policy) -> None:
    gate = Check("gate", Kind.SHARED, works, holds_start=True)
    found = Readiness((gate,), policy)
    assert not found.is_started

    gate.learn(None, 1)

    assert found.is_started


def test_the_start_tells_what_it_waits_for_and_why() -> None:
    found, own, shared = make()
    own.learn(None, 1)
    shared.learn("no connection (28P01)", 1)

    answer = found.start_answer(2)

    assert (answer["started"], answer["waiting_for"]) == (False, ["database"])
    assert answer["database"]["detail"] == "no connection (28P01)"
    assert answer["database"]["age_s"] == 1


def test_what_is_not_latched_never_takes_a_pod_out_nor_holds_its_start() -> None:
    api = Check("payments", Kind.SHARED, works, latch=False)
    found = Readiness((api,))

    api.learn("refused", 1)

    assert found.is_ready(1)
    assert found.is_started
    assert found.answer(draining=False, now=1)["degraded"] == ["payments"]


def test_two_checks_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="'own' already"):
        make()[0].add(Check("own", Kind.SHARED, works))


def test_a_private_result_that_nobody_renews_counts_as_failed() -> None:
    found, own, shared = make()
    own.learn(None, 0)
    shared.learn(None, 0)
    assert found.is_ready(NEVER_STALE_S)

    late = ROUNDS * (EVERY_S + own.timeout_s) + 1

    assert not found.is_ready(late)
    assert found.answer(draining=False, now=late)["checks"][0]["stale"] is True
    own.learn(None, late)
    assert found.is_ready(late)


def test_a_shared_result_that_nobody_renews_is_reported_and_takes_no_pod_out() -> None:
    found, own, shared = make()
    shared.learn(None, 0)
    own.learn(None, 100)

    assert found.is_ready(100)
    assert found.answer(draining=False, now=100)["degraded"] == ["database"]


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (Unwell("late by 6 s"), "late by 6 s"),
        (ConnectionRefusedError(111, "Connection refused"), "[Errno 111] Connection refused"),
        (KeyError("x"), "a bug in the check: KeyError: 'x'"),
    ],
)
def test_a_check_fails_with_what_its_probe_says(error: Exception, detail: str) -> None:
    async def fails() -> None:
        raise error

    check = Check("own", Kind.PRIVATE, fails)

    run(readiness.run(check))

    assert (check.good, check.detail) == (False, detail)


def test_a_good_probe_may_tell_more_than_that() -> None:
    async def tells() -> str:
        return "busy"

    check = Check("pool", Kind.PRIVATE, tells)

    run(readiness.run(check))

    assert (check.good, check.detail) == (True, "busy")


class Stubborn:
    """A probe that does not end when it is told to, as psycopg while the server is away."""

    def __init__(self) -> None:
        self.begun = self.told = 0
        self.release = asyncio.Event()

    async def __call__(self) -> None:
        self.begun += 1
        while not self.release.is_set():
            try:
                await self.release.wait()
            except asyncio.CancelledError:
                self.told += 1


def test_a_probe_that_does_not_end_is_left_behind_and_has_no_second_beside_it() -> None:
    async def story() -> None:
        stubborn = Stubborn()
        check = Check("database", Kind.SHARED, stubborn, timeout_s=0.01)
        await readiness.run(check)
        first, seen = check.detail, check.seen
        for _ in range(3):
            await readiness.run(check)
        assert (first, stubborn.begun) == ("no answer within 0.01 s", 1)
        assert check.detail == "still no answer to what was asked before"
        assert (seen is not None, check.seen is not None) == (True, True)
        assert check.seen > seen  # type: ignore[operator]

        stubborn.release.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await readiness.run(check)
        assert (check.good, stubborn.begun) == (True, 2)

    run(story())


def test_a_check_that_hangs_does_not_keep_others_from_being_looked_at() -> None:
    async def story() -> None:
        stubborn, looked = Stubborn(), asyncio.Event()

        async def other() -> None:
            looked.set()

        hung = Check("hung", Kind.SHARED, stubborn, timeout_s=0.01)
        watching = asyncio.create_task(
            readiness.watch(Readiness((hung, Check("own", Kind.PRIVATE, other))))
        )
        await asyncio.sleep(0.05)
        looked.clear()
        await asyncio.wait_for(looked.wait(), 20)
        watching.cancel()
        await asyncio.wait((watching,), timeout=20)
        assert watching.done()
        stubborn.release.set()
        await asyncio.sleep(0)

    run(story())


def jump(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + seconds)


@pytest.mark.parametrize("seconds", [-1e8, -60, 60, 1e8])
def test_a_wall_clock_that_jumps_changes_no_result_and_no_age(
    monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    found, own, shared = make()
    for check in (own, shared):
        run(readiness.run(check))

    jump(monkeypatch, seconds)

    answer = found.answer(draining=False, now=time.monotonic())
    assert answer["ready"]
    assert all(0 <= each["age_s"] < NEVER_STALE_S for each in answer["checks"])


def test_the_wall_clock_is_never_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def must_not_be_called() -> Any:
        raise AssertionError("who asks for the wall clock?")

    found, own, _ = make()
    monkeypatch.setattr(time, "time", must_not_be_called)
    monkeypatch.setattr(datetime, "datetime", None)
    monkeypatch.setattr(readiness.logger, "disabled", True)  # a line has its time of day

    run(readiness.run(own))

    assert found.answer(draining=False, now=time.monotonic())["checks"][0]["ok"]


RESULTS = st.sampled_from([None, "gone"])


class Pod(RuleBasedStateMachine):
    """Any history of a private and a shared check, looked at under all policies."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.own = Check("own", Kind.PRIVATE, works)
        self.shared = Check("database", Kind.SHARED, works)
        checks = (self.own, self.shared)
        self.under = {policy: Readiness(checks, policy) for policy in Policy}
        self.was_started: set[Policy] = set()
        self.shared_was_good = False
        self.is_draining = False

    @rule(result=RESULTS)
    def look_at_own(self, result: str | None) -> None:
        self.own.learn(result, self.now)

    @rule(result=RESULTS)
    def look_at_shared(self, result: str | None) -> None:
        self.shared.learn(result, self.now)
        self.shared_was_good = self.shared_was_good or result is None

    @rule(seconds=st.floats(min_value=0, max_value=20))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def is_told_to_leave(self) -> None:
        self.is_draining = True

    def ready(self, policy: Policy) -> bool:
        answer = self.under[policy].answer(draining=self.is_draining, now=self.now)
        return bool(answer["ready"])

    @invariant()
    def who_drains_is_not_ready(self) -> None:
        assert not (self.is_draining and any(self.ready(policy) for policy in Policy))

    @invariant()
    def deep_is_stricter_than_latch_and_latch_than_shallow(self) -> None:
        deep, latch, shallow = (
            self.ready(each) for each in (Policy.DEEP, Policy.LATCH, Policy.SHALLOW)
        )
        assert deep <= latch <= shallow

    @invariant()
    def a_database_once_reached_never_decides(self) -> None:
        if self.shared_was_good and not self.is_draining:
            assert self.ready(Policy.LATCH) == self.own.is_good(self.now)

    @invariant()
    def a_database_never_reached_keeps_the_pod_out(self) -> None:
        if not self.shared_was_good:
            assert not self.ready(Policy.LATCH)

    @invariant()
    def who_has_started_stays_started(self) -> None:
        started = {policy for policy, each in self.under.items() if each.is_started}
        assert started >= self.was_started
        self.was_started = started

    @invariant()
    def whoever_was_ready_under_latch_has_started(self) -> None:
        assert not self.ready(Policy.LATCH) or self.under[Policy.LATCH].is_started

    @invariant()
    def what_fails_is_told(self) -> None:
        for found in self.under.values():
            answer = found.answer(draining=False, now=self.now)
            told = {each["name"] for each in answer["checks"] if not each["ok"]}
            assert set(answer["degraded"]) <= told
            assert answer["ready"] == (told == set(answer["degraded"]))


TestPod = Pod.TestCase
TestPod.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
