"""Whose failure is it? Checks of real things, and of prepared ones on fake time."""

import asyncio
import socket
from collections.abc import Callable

import psycopg
import pytest

from lab.chirps import dependencies, discriminator, readiness
from lab.chirps.dependencies import api_check, configuration_check, loop_check, pool_check
from lab.chirps.discriminator import LOOK_EVERY_S, PRIVATE_FOR_S, Discriminator, Found
from lab.chirps.liveness import Pulse
from lab.chirps.reach import Reach
from lab.chirps.readiness import Check, Kind
from tests.chirps import real
from tests.chirps.service import run
from tests.postgres import Database, fresh_database, postgres  # noqa: F401 - fixtures

REFUSED = 'password authentication failed for user "chirps_v2"'


async def works() -> None: ...


def look_at(check: Check) -> tuple[bool, str]:
    run(readiness.run(check))
    return check.good, check.detail


def test_a_password_that_was_never_taken_is_this_pods_own_mistake() -> None:
    check = configuration_check(Reach(REFUSED), Check("database", Kind.SHARED, works))

    assert look_at(check) == (False, f"never connected: {REFUSED} (28P01)")


def test_a_password_that_was_taken_once_was_right() -> None:
    database = Check("database", Kind.SHARED, works)
    database.learn(None, 1)

    assert look_at(configuration_check(Reach(REFUSED), database)) == (True, "ok")


@pytest.mark.parametrize("failure", [None, "connection refused", "sorry, too many clients already"])
def test_a_database_that_cannot_be_reached_says_nothing_of_the_configuration(
    failure: str | None,
) -> None:
    check = configuration_check(Reach(failure), Check("database", Kind.SHARED, works))

    assert look_at(check) == (True, "ok")


def test_a_loop_that_is_late_is_private() -> None:
    assert look_at(loop_check(Pulse())) == (True, "ok")
    assert look_at(loop_check(Pulse(lag_s=6, late_since=1))) == (False, "late by 6.0 s")


class Pool:
    """The pool's check on fake time, with what a fresh connection finds."""

    def __init__(self, found: Found = Found.WORKS) -> None:
        self.now = 1000.0
        self.found = found
        self.looks = 0
        self.database = Check("database", Kind.SHARED, works)
        self.discriminator = Discriminator()
        self.check = pool_check(self.discriminator, self.database, self.look, lambda: self.now)

    async def look(self) -> Found:
        self.looks += 1
        return self.found

    def round(self, *, database_works: bool) -> bool:
        self.database.learn(None if database_works else "gone", self.now)
        run(readiness.run(self.check))
        self.now += 2
        return self.check.good


def test_a_pool_that_works_costs_no_fresh_connection() -> None:
    pool = Pool()

    assert all(pool.round(database_works=True) for _ in range(50))
    assert pool.looks == 0


def test_a_database_that_was_not_asked_yet_is_no_failing_pool() -> None:
    pool = Pool()

    run(readiness.run(pool.check))

    assert (pool.check.good, pool.looks) == (True, 0)


def test_a_broken_pool_takes_the_pod_out_after_30_s_of_looks_5_s_apart() -> None:
    pool = Pool()
    pool.round(database_works=True)
    began = pool.now

    while pool.round(database_works=False):
        assert pool.now - began <= PRIVATE_FOR_S + 10

    assert pool.now - began >= PRIVATE_FOR_S
    assert pool.looks <= PRIVATE_FOR_S / LOOK_EVERY_S + 1


@pytest.mark.parametrize("found", [Found.FAILS, Found.BUSY])
def test_a_pool_that_is_not_the_cause_never_takes_the_pod_out(found: Found) -> None:
    pool = Pool(found)
    pool.round(database_works=True)

    assert all(pool.round(database_works=False) for _ in range(100))


def test_a_broken_pool_that_works_again_brings_the_pod_back() -> None:
    pool = Pool()
    pool.round(database_works=True)
    while pool.round(database_works=False):
        pass

    assert pool.round(database_works=True)


def test_a_look_that_does_not_end_fails_within_its_bound() -> None:
    async def never() -> Found:
        await asyncio.Event().wait()
        return Found.WORKS

    assert asyncio.run(dependencies.look_within(never, 0.01)) is Found.FAILS


@pytest.fixture
def listener() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def test_an_api_of_another_team_is_reported_and_no_more(listener: socket.socket) -> None:
    check = api_check("payments", *listener.getsockname())
    with listener:
        assert look_at(check) == (True, "ok")

    good, detail = look_at(check)

    assert (good, check.kind) == (False, Kind.SHARED)
    assert "refused" in detail.lower() or "connect" in detail.lower()


def test_a_pod_on_a_real_database_has_all_its_checks_good(
    fresh_database: Database,  # noqa: F811 - a fixture
) -> None:
    assert asyncio.run(names_and_results(fresh_database)) == {
        "configuration": True,
        "event-loop": True,
        "pool": True,
        "database": True,
    }


async def names_and_results(database: Database) -> dict[str, bool]:
    async with real.serving(database, "v1") as service:
        for check in service.state.readiness.checks:
            await readiness.run(check)
        answer = await service.ask("GET", "/readyz")
    return {each["name"]: each["ok"] for each in answer.json()["checks"]}


def test_a_zombie_is_told_from_a_database_that_is_away(
    fresh_database: Database,  # noqa: F811 - a fixture
) -> None:
    """The pool of a real pod is dead; the fresh connection is real, only time is not."""

    async def story() -> list[tuple[bool, bool]]:
        async with real.serving(fresh_database, "v1", CHIRPS_DEFECT="dead-pool:0") as service:
            return [await zombie(service, dead) for dead in (good_look(service), no_look)]

    assert asyncio.run(story()) == [(False, False), (True, True)]


Look = Callable[[], object]


async def zombie(service: real.Service, look: Look) -> tuple[bool, bool]:
    """Return whether the pod's pool check is good, and whether it is alive, after a minute."""
    now, made = 0.0, Discriminator(proven=True)
    (database,) = (each for each in service.state.readiness.checks if each.name == "database")
    check = pool_check(made, database, look, lambda: now)  # type: ignore[arg-type]
    await readiness.run(database)
    for _ in range(12):
        await readiness.run(check)
        now += LOOK_EVERY_S
    return check.good, not made.is_private


def good_look(service: real.Service) -> Look:
    async def look() -> Found:
        return await discriminator.look(service.state.settings, recent_s=0)

    return look


async def no_look() -> Found:
    try:
        await psycopg.AsyncConnection.connect("host=127.0.0.1 port=1 connect_timeout=2")
    except psycopg.OperationalError:
        return Found.FAILS
    raise AssertionError("port 1 answers")
