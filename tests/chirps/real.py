"""A service in process on a real database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from lab.chirps import migrate, releases, serve, settings
from lab.chirps.app import make_app
from lab.chirps.settings import Settings
from lab.chirps.state import State
from tests.chirps.asgi import Answer, call
from tests.postgres import Database

USERS = (
    "INSERT INTO users (email) SELECT format('user%s@example.com', n) FROM generate_series(1, 9) n"
)


@dataclass(frozen=True, slots=True)
class Service:
    state: State
    app: Any

    async def ask(self, method: str, target: str, body: Any = None, *, user: int = 0) -> Answer:
        return await call(self.app, method, target, body, user=user)


def read_settings(database: Database, **environ: str) -> Settings:
    return settings.read(
        {**database.variables, "CHIRPS_POD": "pod-1", "CHIRPS_POOL_SIZE": "2", **environ}
    )


def migrate_up(database: Database, track: str = "base", to: int | None = None) -> dict[str, Any]:
    return migrate.up(read_settings(database), track, to, lambda event: None)


def add_users(database: Database) -> None:
    """Add users 1 to 9."""
    with database.connect() as connection:
        connection.execute(USERS)


@asynccontextmanager
async def serving(database: Database, code: str, **environ: str) -> AsyncIterator[Service]:
    """Give a service of the release `code` whose pool is full."""
    asked = read_settings(database, CHIRPS_CODE=code, **environ)
    state = serve.make_state(asked, releases.load(code), migrate.known_schema("base"))
    await state.pool.open(wait=True)
    try:
        yield Service(state, make_app(state))
    finally:
        await state.pool.close()
