"""Is it the database or the pool? The rule on fake time, and the look at a real server."""

import asyncio
import threading
import time
from dataclasses import replace

import psycopg
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lab.chirps import discriminator
from lab.chirps.discriminator import (
    LONGEST_GAP_S,
    LOOK_BOUND_S,
    LOOK_EVERY_S,
    PRIVATE_FOR_S,
    Discriminator,
    Found,
)
from lab.chirps.settings import Settings
from tests.chirps.real import read_settings
from tests.postgres import Database, fresh_database, postgres  # noqa: F401 - fixtures

ENOUGH = int(PRIVATE_FOR_S / LOOK_EVERY_S) + 1


def broken() -> Discriminator:
    """One whose pool has worked, and gives nothing now."""
    made = Discriminator()
    made.learn_pool(works=True)
    made.learn_pool(works=False)
    return made


def look(made: Discriminator, found: Found, now: float) -> None:
    made.begin_look(now)
    made.learn_look(found, now)


def looks(made: Discriminator, *found: Found, begin: float = 0.0) -> float:
    """Look as often as there is something to find, and return when the last one was."""
    now = begin
    for number, each in enumerate(found):
        now = begin + number * LOOK_EVERY_S
        look(made, each, now)
    return now


def test_a_pool_that_gives_nothing_while_a_fresh_connection_works_is_broken_after_30_s() -> None:
    made = broken()
    looks(made, *[Found.WORKS] * (ENOUGH - 1))
    assert not made.is_private

    look(made, Found.WORKS, PRIVATE_FOR_S)

    assert made.is_private
    assert "broken from 30 s on" in made.told


def test_a_database_that_is_away_is_never_a_private_failure() -> None:
    made = broken()

    looks(made, *[Found.FAILS] * 100)

    assert not made.is_private
    assert "fails as well" in made.told


def test_a_pool_that_waits_with_everybody_else_is_busy_and_not_broken() -> None:
    made = broken()

    looks(made, *[Found.BUSY] * 100)

    assert not made.is_private
    assert made.told.startswith("busy")


@pytest.mark.parametrize("other", [Found.FAILS, Found.BUSY])
def test_one_other_answer_takes_the_evidence_back(other: Found) -> None:
    made = broken()

    end = looks(made, *[Found.WORKS] * (ENOUGH - 1), other, *[Found.WORKS] * (ENOUGH - 1))

    assert not made.is_private
    look(made, Found.WORKS, end + LOOK_EVERY_S)
    assert made.is_private


def test_a_verdict_is_taken_back_when_the_database_goes_away_as_well() -> None:
    made = broken()
    end = looks(made, *[Found.WORKS] * ENOUGH)
    assert made.is_private

    look(made, Found.FAILS, end + LOOK_EVERY_S)

    assert not made.is_private


def test_a_pool_that_works_again_is_forgiven_at_once() -> None:
    made = broken()
    looks(made, *[Found.WORKS] * ENOUGH)

    made.learn_pool(works=True)

    assert (made.is_private, made.told) == (False, "ok")


def test_no_fresh_connection_is_made_while_the_pool_works() -> None:
    made = Discriminator()
    made.learn_pool(works=True)

    assert not made.wants_look(1000)


def test_no_fresh_connection_is_made_before_the_pool_has_worked_once() -> None:
    made = Discriminator()
    made.learn_pool(works=False)

    assert not made.wants_look(1000)


def test_fresh_connections_are_no_closer_than_their_period() -> None:
    made = broken()
    assert made.wants_look(0)
    made.begin_look(0)

    assert not made.wants_look(LOOK_EVERY_S - 0.1)
    made.learn_pool(works=True)
    made.learn_pool(works=False)
    assert not made.wants_look(LOOK_EVERY_S - 0.1)
    assert made.wants_look(LOOK_EVERY_S)


def test_a_pause_of_the_whole_process_is_no_evidence() -> None:
    made = broken()

    look(made, Found.WORKS, 0)
    look(made, Found.WORKS, 600)

    assert not made.is_private


def test_a_look_that_ends_after_the_pool_works_again_says_nothing() -> None:
    made = broken()
    made.begin_look(0)
    made.learn_pool(works=True)

    made.learn_look(Found.WORKS, 1)

    assert made.since is None


class Watched(RuleBasedStateMachine):
    """Any history of a pool and of looks, beside a plain record of what happened."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.made = Discriminator()
        self.begun: list[float] = []
        self.pool_worked = False
        self.pool_works = True
        # Looks that worked, since the last thing that speaks against a broken pool.
        self.evidence: list[float] = []

    # Eighths of a second, which add up without a rest.
    @rule(eighths=st.integers(min_value=0, max_value=120))
    def time_passes(self, eighths: int) -> None:
        self.now += eighths / 8

    @rule(works=st.booleans())
    def the_pool_is_asked(self, works: bool) -> None:
        self.made.learn_pool(works=works)
        self.pool_works = works
        self.pool_worked = self.pool_worked or works
        if works:
            self.evidence.clear()

    @precondition(lambda self: self.made.wants_look(self.now))
    @rule(
        found=st.sampled_from(Found),
        eighths=st.integers(min_value=0, max_value=int(LOOK_BOUND_S * 8)),
    )
    def a_look_is_taken(self, found: Found, eighths: int) -> None:
        self.look(found, eighths / 8)

    @precondition(lambda self: self.made.failing)
    @rule(times=st.integers(min_value=2, max_value=9))
    def looks_that_work_are_taken_on_end(self, times: int) -> None:
        for _ in range(times):
            self.now = max(self.now, (self.begun or [0.0])[-1] + LOOK_EVERY_S)
            self.look(Found.WORKS, 0)

    def look(self, found: Found, takes: float) -> None:
        assert self.made.wants_look(self.now)
        self.made.begin_look(self.now)
        self.begun.append(self.now)
        self.now += takes
        self.made.learn_look(found, self.now)
        if found is Found.WORKS:
            self.evidence.append(self.now)
        else:
            self.evidence.clear()

    @invariant()
    def a_verdict_has_30_seconds_of_unbroken_evidence(self) -> None:
        if not self.made.is_private:
            return
        assert not self.pool_works
        first = self.evidence[-1]
        for earlier in reversed(self.evidence):
            if first - earlier > LONGEST_GAP_S:
                break
            first = earlier
        assert self.evidence[-1] - first >= PRIVATE_FOR_S

    @invariant()
    def a_pool_that_works_or_never_worked_is_not_looked_beside(self) -> None:
        if self.pool_works or not self.pool_worked:
            assert not self.made.wants_look(self.now)
            assert not self.made.is_private

    @invariant()
    def looks_are_never_closer_than_their_period(self) -> None:
        pairs = zip(self.begun, self.begun[1:], strict=False)
        assert all(later - earlier >= LOOK_EVERY_S for earlier, later in pairs)


TestWatched = Watched.TestCase
TestWatched.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)


@pytest.fixture
def asked(fresh_database: Database) -> Settings:  # noqa: F811 - a fixture
    return read_settings(fresh_database, CHIRPS_CODE="v1")


def session(asked: Settings, database: Database) -> psycopg.Connection[tuple[object, ...]]:
    """A session of the pod's pool, on the real server."""
    return psycopg.connect(
        **database.connection, application_name=asked.application_name, autocommit=True
    )


def test_a_server_without_sessions_of_this_pod_works(asked: Settings) -> None:
    assert asyncio.run(discriminator.look(asked)) is Found.WORKS


def test_sessions_of_another_pod_do_not_count(
    asked: Settings,
    fresh_database: Database,  # noqa: F811 - a fixture
) -> None:
    with fresh_database.connect() as other:
        other.execute("SET application_name = 'chirps/v1/pod-2'")
        assert asyncio.run(discriminator.look(asked)) is Found.WORKS


def test_a_session_that_waits_for_a_lock_is_at_work(
    asked: Settings,
    fresh_database: Database,  # noqa: F811 - a fixture
) -> None:
    with fresh_database.connect() as holder, session(asked, fresh_database) as waiting:
        holder.execute("CREATE TABLE held ()")
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE held")
        asking = threading.Thread(target=waiting.execute, args=("SELECT FROM held",))
        asking.start()
        try:
            pid = waiting.info.backend_pid
            wait_until(holder, f"wait_event_type = 'Lock' AND pid = {pid}")
            # So long that its last change of state does not count.
            holder.execute("SELECT pg_sleep(0.3)")
            assert asyncio.run(discriminator.look(asked, recent_s=0.1)) is Found.BUSY
        finally:
            holder.execute("ROLLBACK")
            asking.join()


def test_a_session_that_was_at_work_just_now_counts_and_one_long_idle_does_not(
    asked: Settings,
    fresh_database: Database,  # noqa: F811 - a fixture
) -> None:
    with session(asked, fresh_database) as idle:
        idle.execute("SELECT 1")
        assert asyncio.run(discriminator.look(asked, recent_s=3600)) is Found.BUSY
        idle.execute("SELECT 1")
        time.sleep(0.3)
        assert asyncio.run(discriminator.look(asked, recent_s=0.1)) is Found.WORKS


def wait_until(connection: psycopg.Connection[tuple[object, ...]], condition: str) -> None:
    deadline = time.monotonic() + 30
    statement = f"SELECT FROM pg_stat_activity WHERE {condition}"
    while connection.execute(statement).rowcount == 0:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_server_that_refuses_fails(asked: Settings) -> None:
    refused = replace(asked, database={**asked.database, "password": "wrong"})

    assert asyncio.run(discriminator.look(refused)) is Found.FAILS
