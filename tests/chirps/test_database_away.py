"""How long does a request wait for a connection while the database is known to be away?"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from lab.chirps import readiness
from lab.chirps.dependencies import is_away
from lab.chirps.discriminator import Discriminator, Found
from lab.chirps.reach import Reach
from lab.chirps.readiness import Check, Kind
from tests.chirps import real, relay
from tests.chirps.asgi import Answer
from tests.postgres import Database, fresh_database, postgres  # noqa: F401 - fixtures

LONG = "no database connection came free within 0.5 s"
SHORT = "no database connection came free within 0.2 s"
REFUSED = "connection refused"

Story = Callable[[real.Service], Coroutine[Any, Any, Answer]]


async def never() -> None: ...


def looked_at(failure: str | None) -> Check:
    check = Check("database", Kind.SHARED, never)
    check.learn(failure, 1)
    return check


@pytest.mark.parametrize("found", [None, *Found])
def test_a_database_that_answered_the_last_look_is_not_away(found: Found | None) -> None:
    assert not is_away(looked_at(None), Reach(REFUSED), Discriminator(found=found))


def test_a_database_that_was_not_looked_at_is_not_away() -> None:
    check = Check("database", Kind.SHARED, never)

    assert not is_away(check, Reach(REFUSED), Discriminator(found=Found.FAILS))


@pytest.mark.parametrize("found", [None, Found.BUSY, Found.WORKS])
def test_a_pool_that_gives_nothing_while_connecting_works_is_busy_and_not_away(
    found: Found | None,
) -> None:
    assert not is_away(looked_at("no connection"), Reach(), Discriminator(found=found))


@pytest.mark.parametrize(
    ("failure", "found"), [(REFUSED, None), (None, Found.FAILS), (REFUSED, Found.FAILS)]
)
def test_a_database_that_cannot_be_connected_to_is_away(
    failure: str | None, found: Found | None
) -> None:
    assert is_away(looked_at("no connection"), Reach(failure), Discriminator(found=found))


def play(database: Database, story: Story, *, pool: int = 2) -> Answer:
    """Return what a request is told by a service that reaches its database by a relay."""

    async def once() -> Answer:
        with relay.relay(database) as way:
            environ = {**way.variables, "CHIRPS_POOL_SIZE": str(pool)}
            async with real.serving(
                database, "v1", CHIRPS_POOL_TIMEOUT_S="0.5", **environ
            ) as service:
                if pool > 1:
                    await asyncio.to_thread(way.end)
                return await story(service)

    return asyncio.run(once())


async def look(service: real.Service) -> None:
    (check,) = (each for each in service.state.readiness.checks if each.name == "database")
    await readiness.run(check)


def test_until_somebody_has_looked_a_request_waits_as_long_as_ever(
    fresh_database: Database,  # noqa: F811 - a fixture
) -> None:
    async def story(service: real.Service) -> Answer:
        return await service.ask("GET", "/chirps")

    assert play(fresh_database, story).json()["error"].startswith(LONG)


def test_a_request_is_told_soon_that_the_database_is_away_and_when_to_come_back(
    fresh_database: Database,  # noqa: F811 - a fixture
) -> None:
    async def story(service: real.Service) -> Answer:
        await look(service)
        return await service.ask("GET", "/chirps")

    answer = play(fresh_database, story)

    assert answer.status == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["error"].startswith(SHORT)
    assert answer.json()["sqlstate"] == "08001"
    assert answer.json()["retryable"] is True


def test_a_request_is_told_why_the_server_refuses_connections(
    fresh_database: Database,  # noqa: F811 - a fixture
) -> None:
    """The server's words are put in its mouth, since a test server has no second password."""

    async def story(service: real.Service) -> Answer:
        await look(service)
        reach = service.state.database._reach
        reach.failure = 'password authentication failed for user "chirps_v1b"'
        return await service.ask("GET", "/chirps")

    answer = play(fresh_database, story)

    assert (answer.status, answer.json()["sqlstate"]) == (503, "28P01")


def test_the_page_does_not_wait_for_the_database(
    fresh_database: Database,  # noqa: F811 - a fixture
) -> None:
    async def story(service: real.Service) -> Answer:
        await look(service)
        return await service.ask("GET", "/page")

    assert play(fresh_database, story).status == 200


def test_a_pool_that_is_busy_keeps_its_whole_wait(
    fresh_database: Database,  # noqa: F811 - a fixture
) -> None:
    async def story(service: real.Service) -> Answer:
        async with service.state.pool.connection():
            await look(service)
            return await service.ask("GET", "/chirps")

    assert play(fresh_database, story, pool=1).json()["error"] == LONG


def test_a_database_that_is_back_is_waited_for_again(
    fresh_database: Database,  # noqa: F811 - a fixture
) -> None:
    async def story(service: real.Service) -> Answer:
        (check,) = (each for each in service.state.readiness.checks if each.name == "database")
        async with service.state.pool.connection():
            check.learn("gone", 1)
            service.state.database._reach.failure = REFUSED
            check.learn(None, 2)
            return await service.ask("GET", "/chirps")

    assert play(fresh_database, story, pool=1).json()["error"].startswith(LONG)
