"""How long does a process stand at the gate, and what does it say meanwhile?"""

import asyncio
import logging
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lab.chirps import readiness
from lab.chirps.errors import CannotTell, ChirpsError, Refused
from lab.chirps.gate import Away, Fit, Needs, Seen
from lab.chirps.gate_entry import Entry, make_gate
from lab.chirps.gate_keeper import EVERY_S, DoesNotFit, Gate, gate_check, hold, watch
from lab.chirps.readiness import Policy, Readiness, Unwell
from tests.chirps.fake_time import FakeTime
from tests.chirps.service import make_state

V2 = Needs(release="v2", number=2, required=6, known=7)
BEHIND = Seen(5, floor=1, pending=(6, 7))
EXPANDED = Seen(6, floor=1, pending=(7,))
WHOLE = Seen(7, floor=1)
TOO_NEW = Seen(9, floor=3, ahead=(8, 9))
AWAY = Away("connection refused")


class Stage:
    """A gate before a database that is what `database` says; `boot` stands at it to the end."""

    def __init__(self, gate: str, database: Seen | Away, rule: str = "required") -> None:
        self.gate = Gate(gate, rule, V2, budget_s=60)
        self.database = database
        self.time = FakeTime()
        self.looks = 0
        self.migrations: list[Callable[[], None]] = []

    async def look(self) -> Seen | Away:
        self.looks += 1
        return self.database

    def becomes(self, database: Seen | Away) -> Callable[[], None]:
        def change() -> None:
            self.database = database

        return change

    async def migrate(self) -> None:
        self.migrations.pop(0)()

    async def hold(self) -> None:
        await hold(self.gate, self.look, self.migrate, clock=self.time.clock, sleep=self.time.sleep)

    def boot(self) -> float:
        """Return after how many seconds it started."""
        begun = self.time.now
        asyncio.run(self.hold())
        return self.time.now - begun


def failing(error: Exception) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


def test_who_waits_starts_with_the_first_look_after_the_migration() -> None:
    stage = Stage("wait", BEHIND)
    stage.time.at(9.5, stage.becomes(EXPANDED))

    assert stage.boot() == 10
    assert stage.gate.passed


def test_who_waits_looks_once_a_second() -> None:
    stage = Stage("wait", BEHIND)
    stage.time.at(5, stage.becomes(EXPANDED))

    stage.boot()

    assert stage.time.pauses == [EVERY_S] * 5
    assert stage.looks == 6


def test_who_waited_in_vain_exits_with_78_and_names_the_missing_version() -> None:
    stage = Stage("wait", BEHIND)

    with pytest.raises(DoesNotFit, match=r"waited 60 s in vain: .* schema 5, v2 needs 6") as raised:
        stage.boot()

    assert raised.value.exit_code == 78
    assert stage.time.now == 1060


def test_what_comes_with_the_last_second_of_the_budget_still_counts() -> None:
    stage = Stage("wait", BEHIND)
    stage.time.at(60, stage.becomes(EXPANDED))

    assert stage.boot() == 60


def test_a_budget_that_is_no_whole_number_of_looks_is_used_up_to_its_end() -> None:
    stage = Stage("wait", BEHIND)
    stage.gate.budget_s = 2.5

    with pytest.raises(DoesNotFit):
        stage.boot()

    assert stage.time.pauses == [1, 1, 0.5]


def test_who_waits_exits_at_once_when_waiting_cannot_help() -> None:
    stage = Stage("wait", TOO_NEW)

    with pytest.raises(DoesNotFit, match="compat floor is 3"):
        stage.boot()

    assert stage.time.pauses == []


def test_a_floor_that_is_raised_meanwhile_ends_the_wait() -> None:
    stage = Stage("wait", BEHIND)
    stage.time.at(3, stage.becomes(TOO_NEW))

    with pytest.raises(DoesNotFit):
        stage.boot()

    assert stage.time.now == 1003


@pytest.mark.parametrize("gate", ["wait", "migrate"])
def test_a_database_that_is_away_is_waited_for(gate: str) -> None:
    stage = Stage(gate, AWAY)
    stage.time.at(20, stage.becomes(WHOLE))

    assert stage.boot() == 20


@pytest.mark.parametrize("gate", ["wait", "migrate"])
def test_a_database_that_stays_away_is_no_mistake_of_the_configuration(gate: str) -> None:
    with pytest.raises(CannotTell, match=r"in vain: .* connection refused") as raised:
        Stage(gate, AWAY).boot()

    assert raised.value.exit_code == 2


def test_what_was_in_the_way_last_decides_how_a_wait_in_vain_ends() -> None:
    stage = Stage("wait", BEHIND)
    stage.time.at(59, stage.becomes(AWAY))

    with pytest.raises(CannotTell):
        stage.boot()


def test_who_refuses_does_not_wait() -> None:
    for database, error in ((BEHIND, DoesNotFit), (AWAY, CannotTell)):
        stage = Stage("refuse", database)

        with pytest.raises(error):
            stage.boot()

        assert stage.looks == 1


def test_who_warns_starts_at_once_whatever_it_sees() -> None:
    for database in (BEHIND, TOO_NEW, AWAY, WHOLE):
        assert Stage("warn", database).boot() == 0


def test_who_migrates_starts_without_another_pause() -> None:
    stage = Stage("migrate", BEHIND)
    stage.migrations = [stage.becomes(WHOLE)]

    assert stage.boot() == 0
    assert stage.migrations == []


def test_who_migrates_may_lock_itself_out() -> None:
    stage = Stage("migrate", BEHIND)
    stage.migrations = [stage.becomes(TOO_NEW)]

    with pytest.raises(DoesNotFit, match="compat floor is 3"):
        stage.boot()


def test_a_migration_that_fails_ends_the_process() -> None:
    stage = Stage("migrate", BEHIND)
    stage.migrations = [failing(Refused("00006_expand.sql line 3: no"))]

    with pytest.raises(Refused):
        stage.boot()


def test_a_migration_whose_connection_was_lost_is_tried_again_after_a_pause() -> None:
    stage = Stage("migrate", BEHIND)
    stage.migrations = [failing(CannotTell("connection lost")), stage.becomes(WHOLE)]

    assert stage.boot() == EVERY_S


def test_a_migration_that_changes_nothing_is_not_run_again_with_each_look() -> None:
    stage = Stage("migrate", BEHIND)
    stage.migrations = [stage.becomes(BEHIND)]

    with pytest.raises(DoesNotFit):
        stage.boot()

    assert stage.time.now == 1060


def test_a_long_migration_does_not_use_up_the_budget_of_the_wait_after_it() -> None:
    stage = Stage("migrate", BEHIND)

    def migrate() -> None:
        stage.time.pass_by(300)
        stage.becomes(AWAY)()

    stage.migrations = [migrate]
    stage.time.at(330, stage.becomes(WHOLE))

    assert stage.boot() == 330


@pytest.mark.parametrize("day_s", [86_400, -86_400])
def test_a_wall_clock_that_jumps_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, day_s: float
) -> None:
    nowhere = {"PGHOST": "127.0.0.1", "PGPORT": "1", "PGUSER": "x", "PGDATABASE": "x"}
    state = make_state(CHIRPS_GATE="wait", CHIRPS_GATE_BUDGET_S="0.2", **nowhere)
    entry = Entry(state, make_gate(state.settings, state.release, state.known_schema))
    days = count(1)
    monkeypatch.setattr(time, "time", lambda: next(days) * day_s)

    begun = time.monotonic()
    asyncio.run(entry.run(lambda: None))

    assert time.monotonic() - begun >= 0.2
    assert "waited 0.2 s in vain" in str(entry.failure)


def events(caplog: pytest.LogCaptureFixture) -> list[Any]:
    return [vars(record)["act"] for record in caplog.records if record.message == "gate"]


def test_each_change_of_the_decision_is_one_line_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = Stage("wait", AWAY)
    stage.time.at(5, stage.becomes(BEHIND))
    stage.time.at(20, stage.becomes(EXPANDED))

    with caplog.at_level(logging.INFO, "lab.chirps"):
        stage.boot()

    assert events(caplog) == ["retry", "retry", "start"]


def reviewed(stage: Stage, *databases: Seen | Away) -> Gate:
    """Pass the gate, and then see these."""
    stage.boot()
    for database in databases:
        stage.gate.review(database)
    return stage.gate


def test_the_watch_after_the_start_goes_on_looking() -> None:
    stage = Stage("wait", EXPANDED)
    stage.boot()

    class Enough(Exception):
        pass

    stage.time.at(2, stage.becomes(TOO_NEW))
    stage.time.at(4, failing(Enough()))
    with pytest.raises(Enough):
        asyncio.run(watch(stage.gate, stage.look, sleep=stage.time.sleep))

    assert stage.gate.fit is Fit.TOO_NEW


def test_a_change_after_the_start_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "lab.chirps"):
        reviewed(Stage("wait", EXPANDED), TOO_NEW, TOO_NEW, AWAY, EXPANDED)

    assert events(caplog) == ["start", "run", "run"]


def probed(gate: Gate) -> str | None:
    """Return what the check fails with, None when it is good."""
    try:
        asyncio.run(gate.probe())
    except Unwell as error:
        return str(error)
    return None


def test_the_check_says_what_is_waited_for() -> None:
    gate = Gate("wait", "required", V2, budget_s=60)
    assert probed(gate) == "the database was not looked at yet"

    gate.consider(BEHIND)

    assert probed(gate) == "the database has schema 5, v2 needs 6: run `chirps migrate up --to 6`"


def ready_after(stage: Stage, *databases: Seen | Away) -> tuple[bool, bool, list[str]]:
    """Return whether the pod is started and ready and what is degraded, the pool aside."""
    stage.boot()
    found = Readiness((gate_check(stage.gate),))
    asyncio.run(readiness.run(found.checks[0]))
    for database in databases:
        stage.gate.review(database)
        asyncio.run(readiness.run(found.checks[0]))
    answer = found.answer(draining=False, now=time.monotonic())
    return found.is_started, answer["ready"], answer["degraded"]


def test_a_schema_that_comes_to_shut_a_running_release_out_is_reported_only() -> None:
    assert ready_after(Stage("wait", EXPANDED)) == (True, True, [])
    assert ready_after(Stage("wait", EXPANDED), TOO_NEW) == (True, True, ["gate"])


def test_who_started_with_a_complaint_is_started_and_says_what_is_degraded() -> None:
    assert ready_after(Stage("warn", BEHIND)) == (True, True, [])
    assert ready_after(Stage("warn", BEHIND), BEHIND) == (True, True, ["gate"])


def test_equality_takes_all_old_pods_out_when_the_next_release_s_schema_comes() -> None:
    started, ready, _ = ready_after(Stage("wait", WHOLE, "equal"), Seen(8, floor=1, ahead=(8,)))

    assert (started, ready) == (True, False)


def test_a_pod_that_equality_took_out_comes_back_with_its_schema() -> None:
    ahead = Seen(8, floor=1, ahead=(8,))

    assert ready_after(Stage("wait", WHOLE, "equal"), ahead, WHOLE) == (True, True, [])


def test_a_database_that_goes_away_later_is_not_the_gate_s_to_tell() -> None:
    assert ready_after(Stage("wait", WHOLE, "equal"), AWAY) == (True, True, [])


def test_a_shut_gate_keeps_the_pod_out_of_traffic() -> None:
    found = Readiness((gate_check(Gate("wait", "required", V2, budget_s=60)),))

    asyncio.run(readiness.run(found.checks[0]))

    assert (found.is_started, found.is_ready(time.monotonic())) == (False, False)


@pytest.mark.parametrize("policy", Policy)
def test_a_shut_gate_holds_the_start_under_every_policy(policy: Policy) -> None:
    gate = Gate("wait", "required", V2, budget_s=60)
    gate.consider(BEHIND)
    found = Readiness((gate_check(gate),), policy)

    asyncio.run(readiness.run(found.checks[0]))
    answer = found.start_answer(time.monotonic())

    assert (answer["started"], answer["waiting_for"]) == (False, ["gate"])
    assert "v2 needs 6" in answer["gate"]["detail"]


class Standing(RuleBasedStateMachine):
    """A process at the gate, while everything happens to its database, second by second."""

    def __init__(self) -> None:
        super().__init__()
        self.applied = {1, 2, 3, 4, 5}
        self.floor = 1
        self.is_away = False
        self.clock_s = 0.0
        self.gate = Gate("wait", "required", V2, budget_s=10)
        self.wakes: asyncio.Future[None] | None = None
        self.loop = asyncio.new_event_loop()
        self.task = self.loop.create_task(
            hold(self.gate, self.look, self.never, clock=lambda: self.clock_s, sleep=self.sleep)
        )
        self.turn()

    def teardown(self) -> None:
        self.task.cancel()
        self.loop.run_until_complete(asyncio.gather(self.task, return_exceptions=True))
        self.loop.close()

    def turn(self) -> None:
        """Let the process go on to its next sleep."""
        for _ in range(5):
            self.loop.run_until_complete(asyncio.sleep(0))

    async def look(self) -> Seen | Away:
        if self.is_away:
            return AWAY
        pending = tuple(sorted({1, 2, 3, 4, 5, 6, 7} - self.applied))
        ahead = tuple(sorted(self.applied - {1, 2, 3, 4, 5, 6, 7}))
        self.seen = (set(self.applied), self.floor)
        return Seen(max(self.applied), self.floor, pending, ahead)

    async def never(self) -> None:
        raise AssertionError("who waits does not migrate")

    async def sleep(self, seconds: float) -> None:
        self.wakes = self.loop.create_future()
        await self.wakes

    @precondition(lambda self: not self.task.done())
    @rule()
    def a_second_passes(self) -> None:
        self.clock_s += 1
        assert self.wakes is not None
        self.wakes.set_result(None)
        self.turn()

    @rule(version=st.integers(6, 9))
    def a_version_is_applied(self, version: int) -> None:
        self.applied.add(version)

    @rule()
    def the_newest_is_taken_back(self) -> None:
        if len(self.applied) > 1:
            self.applied.remove(max(self.applied))

    @rule(floor=st.integers(1, 3))
    def the_floor_is_set(self, floor: int) -> None:
        self.floor = floor

    @rule(is_away=st.booleans())
    def the_database_goes_or_comes(self, is_away: bool) -> None:
        self.is_away = is_away

    @property
    def failure(self) -> BaseException | None:
        return self.task.exception() if self.task.done() else None

    @invariant()
    def it_never_starts_on_a_schema_it_cannot_use(self) -> None:
        if self.gate.passed:
            applied, floor = self.seen
            assert {1, 2, 3, 4, 5, 6} <= applied
            assert floor <= V2.number

    @invariant()
    def it_started_exactly_when_the_gate_is_passed(self) -> None:
        assert self.gate.passed == (self.task.done() and self.failure is None)

    @invariant()
    def it_exits_before_its_budget_only_when_waiting_cannot_help(self) -> None:
        if self.failure is not None:
            assert isinstance(self.failure, ChirpsError)
            assert self.clock_s == 10 or self.gate.fit is Fit.TOO_NEW

    @invariant()
    def it_stands_there_no_longer_than_its_budget(self) -> None:
        assert self.task.done() or self.clock_s < 10

    @invariant()
    def the_exit_code_says_what_was_in_the_way(self) -> None:
        if isinstance(self.failure, ChirpsError):
            assert self.failure.exit_code == (2 if self.gate.fit is Fit.UNKNOWN else 78)


Standing.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestStanding = Standing.TestCase
