"""The pool: what a request meets when the database is busy, away, back, or full."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.chirps import readiness, schema
from lab.postgres import Server
from tests.chirps.asgi import Answer
from tests.chirps.real import Service, add_users, migrate_up, serving
from tests.postgres import Database, fresh_database, postgres  # noqa: F401 - fixtures

pytestmark = pytest.mark.e2e

BOUND_S = 30
LEAST_LOOKS = 100
PIDS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'chirps/v1/pod-1'"
END_ALL = f"SELECT pg_terminate_backend(pid) FROM ({PIDS}) AS pids"


class Restartable:
    """A server of its own that is found at the same place after a restart."""

    def __init__(self, directory: Path) -> None:
        # Its socket directory is a new one each time, so a link leads there.
        self._link = directory / "socket"
        self._server = Server(directory / "data", settings={"fsync": "off"}, tcp=False)
        self.start()

    @property
    def variables(self) -> dict[str, str]:
        return {"PGHOST": str(self._link), "PGUSER": "postgres", "PGDATABASE": "postgres"}

    def start(self) -> None:
        self._server.start()
        self._link.unlink(missing_ok=True)
        self._link.symlink_to(self._server.socket_directory)

    def stop(self) -> None:
        self._server.stop(keep_data=True)

    def remove(self) -> None:
        self._server.stop()


@pytest.fixture
def server() -> Iterator[Restartable]:
    directory = Path(tempfile.mkdtemp(prefix="lab-chirps-", dir="/tmp"))
    directory.chmod(0o755)
    running = Restartable(directory)
    yield running
    running.remove()
    shutil.rmtree(directory)


@pytest.fixture
def database(fresh_database: Database) -> Database:  # noqa: F811 - a fixture
    migrate_up(fresh_database)
    add_users(fresh_database)
    return fresh_database


@asynccontextmanager
async def watched(service: Service) -> AsyncIterator[None]:
    """Let the background work go on as in a running process."""
    state = service.state
    tasks = [
        asyncio.create_task(schema.watch(state.schema, state.database)),
        asyncio.create_task(readiness.watch(state.readiness)),
    ]
    yield
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def until(condition: Callable[[], Awaitable[Any]], about: Callable[[], Any] = str) -> None:
    """Wait for it; `about` is told when it does not come.

    A host that stood still for a while is no reason to give up: the last word has a look that
    was taken after the bound, and there were many before it.
    """
    deadline = time.monotonic() + BOUND_S
    looks = 0
    while not await condition():
        looks += 1
        late = time.monotonic() > deadline and looks > LEAST_LOOKS
        assert not late, f"{condition.__name__} still not so after {looks} looks: {about()}"
        await asyncio.sleep(0.02)


async def nobody_in(connection: Any) -> bool:
    return not connection.execute(PIDS).fetchall()


def test_a_database_that_restarts_is_reported_and_comes_back(server: Restartable) -> None:
    migrate_up(server)  # type: ignore[arg-type]

    async def once() -> None:
        async with (
            serving(server, "v1", CHIRPS_POOL_TIMEOUT_S="0.2") as service,  # type: ignore[arg-type]
            watched(service),
        ):

            async def ready() -> Any:
                return (await service.ask("GET", "/readyz")).json()

            async def is_back() -> bool:
                return (await service.ask("GET", "/chirps")).status == 200

            async def is_degraded() -> bool:
                return bool((await ready())["degraded"])

            async def is_whole() -> bool:
                # A database that was never reached is not "degraded": it keeps the pod unready.
                found = await ready()
                return found["ready"] and not found["degraded"] and await seen_again()

            async def seen_again() -> bool:
                age_s = (await service.ask("GET", "/version")).json()["schema_age_s"]
                return age_s is not None and age_s < schema.EVERY_S

            await until(is_back)
            await until(is_whole)
            await asyncio.to_thread(server.stop)

            away = await service.ask("GET", "/chirps")
            assert (away.status, away.json()["retryable"]) == (503, True)
            assert away.headers["x-chirps-schema"] == "5"
            assert (await service.ask("POST", "/chirps", {"body": "x"}, user=1)).status == 503
            assert (await service.ask("GET", "/page")).status == 200
            await until(is_degraded)
            assert (await service.ask("GET", "/readyz")).status == 200

            await asyncio.to_thread(server.start)
            await until(is_back, service.state.pool.get_stats)
            await until(is_whole, lambda: (service.state.readiness, service.state.schema))

    asyncio.run(once())


def test_connections_that_died_while_idle_cost_no_request(database: Database) -> None:
    async def once() -> list[int]:
        async with serving(database, "v1", CHIRPS_POOL_SIZE="4") as service:
            with database.connect() as connection:
                connection.execute(END_ALL)
                await until(lambda: nobody_in(connection))
            answers = [await service.ask("GET", "/chirps") for _ in range(8)]
            return [answer.status for answer in answers]

    assert asyncio.run(once()) == [200] * 8


def test_a_statement_that_is_ended_under_way_is_503_with_its_sqlstate(database: Database) -> None:
    async def once() -> Answer:
        async with serving(database, "v1", CHIRPS_POOL_SIZE="1") as service:
            with database.connect() as holder, database.connect() as other:
                holder.execute("BEGIN")
                holder.execute("LOCK TABLE chirps")
                asked = asyncio.create_task(service.ask("GET", "/chirps"))
                await until(lambda: waits_in(other))
                other.execute(END_ALL)
                answer = await asked
                holder.execute("ROLLBACK")
            assert (await service.ask("GET", "/chirps")).status == 200
            return answer

    async def waits_in(connection: Any) -> bool:
        return bool(connection.execute(f"{PIDS} AND wait_event_type = 'Lock'").fetchall())

    answer = asyncio.run(once())
    assert (answer.status, answer.json()["sqlstate"]) == (503, "57P01")
    assert answer.headers["retry-after"] == "1"


def test_who_waits_too_long_for_a_connection_is_told(database: Database) -> None:
    async def once() -> Answer:
        variables = {"CHIRPS_POOL_SIZE": "1", "CHIRPS_POOL_TIMEOUT_S": "0.1"}
        async with serving(database, "v1", **variables) as service:
            with database.connect() as holder:
                holder.execute("BEGIN")
                holder.execute("LOCK TABLE chirps")
                slow = asyncio.create_task(service.ask("GET", "/chirps"))
                await asyncio.sleep(0)
                answer = await service.ask("GET", "/chirps/1")
                holder.execute("ROLLBACK")
            assert (await slow).status == 200
            return answer

    answer = asyncio.run(once())
    assert (answer.status, answer.json()["sqlstate"]) == (503, None)
    assert answer.json()["error"] == "no database connection came free within 0.1 s"


# How the database keeps a service out, and the SQLSTATE the service's clients see of it.
REFUSALS = {
    "53300": "ALTER ROLE {role} CONNECTION LIMIT 0",
    "28P01": "ALTER ROLE {role} PASSWORD 'changed'",
    "28000": "ALTER ROLE {role} NOLOGIN",
    "55000": "ALTER DATABASE {database} ALLOW_CONNECTIONS false",
    "42501": "REVOKE CONNECT ON DATABASE {database} FROM public",
    "3D000": "ALTER DATABASE {database} RENAME TO {database}_away",
}


@pytest.mark.parametrize("sqlstate", REFUSALS)
def test_a_refused_connection_is_told_with_the_reason(database: Database, sqlstate: str) -> None:
    role = f"app_{database.name}"
    names = {"role": role, "database": database.name}
    variables = {"PGUSER": role, "PGPASSWORD": "secret", "CHIRPS_POOL_TIMEOUT_S": "0.3"}

    async def once(admin: Any) -> Answer:
        async with serving(database, "v1", **variables) as service:
            admin.execute(f"ALTER ROLE {role} NOLOGIN")  # a database in use cannot be renamed
            admin.execute(END_ALL)
            await until(lambda: nobody_in(admin))
            admin.execute(f"ALTER ROLE {role} LOGIN; {REFUSALS[sqlstate].format(**names)}")
            await until(lambda: refused(service))
            return await service.ask("GET", "/chirps")

    async def refused(service: Service) -> bool:
        return (await service.ask("GET", "/chirps")).json()["sqlstate"] == sqlstate

    with Database("postgres", database.server).connect() as admin:
        admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'secret'")
        try:
            answer = asyncio.run(once(admin))
        finally:
            if sqlstate == "3D000":
                admin.execute(f"ALTER DATABASE {database.name}_away RENAME TO {database.name}")
            admin.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS true")
            admin.execute(f"DROP ROLE {role}")

    assert (answer.status, answer.json()["sqlstate"]) == (503, sqlstate)
    assert answer.json()["retryable"] is True
