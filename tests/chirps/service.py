"""A service in process whose database is a list of prepared results."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from lab.chirps import releases, settings
from lab.chirps.app import make_app
from lab.chirps.database import Database, make_pool
from lab.chirps.dependencies import database_check
from lab.chirps.reach import Reach
from lab.chirps.readiness import Readiness
from lab.chirps.state import State
from tests.chirps.asgi import Answer, call

ENVIRON = {
    "CHIRPS_CODE": "v1",
    "CHIRPS_RELEASE": "v1b",
    "CHIRPS_POD": "chirps-7d9f-abcde",
    "CHIRPS_NODE": "n3",
}


class PreparedDatabase(Database):
    """Answers each statement with the next of `results`: rows, or an error that is raised."""

    def __init__(self, *results: Any) -> None:
        self.results = list(results)
        self.asked: list[tuple[str, Any]] = []

    async def rows(self, statement: str, parameters: Any = (), **_: Any) -> list[Any]:
        self.asked.append((statement, parameters))
        result = self.results.pop(0)
        if isinstance(result, BaseException):
            raise result
        return list(result)

    async def row(self, statement: str, parameters: Any = (), **_: Any) -> Any:
        found = await self.rows(statement, parameters)
        return found[0] if found else None


def make_state(*results: Any, **environ: str) -> State:
    asked = settings.read({**ENVIRON, **environ}, needs_code=True)
    database = PreparedDatabase(*results)
    return State(
        settings=asked,
        release=releases.load(asked.code),
        pool=make_pool(asked, Reach()),
        database=database,
        readiness=Readiness((database_check(database),)),
        known_schema=5,
    )


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(coroutine)


def ask(state: State, method: str, target: str, body: Any = None, **options: Any) -> Answer:
    """Send one request to a service with this state."""

    async def once() -> Answer:
        return await call(make_app(state), method, target, body, **options)

    return asyncio.run(once())
