"""The service with the rights it has in a cluster: an owner migrates, a release uses."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from lab.chirps.cli import main
from tests.chirps.asgi import Answer
from tests.chirps.real import Service, serving
from tests.postgres import Database, fresh_database, postgres  # noqa: F401 - fixtures

pytestmark = pytest.mark.e2e


@dataclass(frozen=True, slots=True)
class Roles:
    """`owner` has the database and its tables, `release` may read and write rows."""

    database: Database
    owner: str
    release: str

    def variables(self, role: str) -> dict[str, str]:
        return {**self.database.variables, "PGUSER": role, "PGPASSWORD": "secret"}


@pytest.fixture
def roles(fresh_database: Database) -> Iterator[Roles]:  # noqa: F811 - a fixture
    name = fresh_database.name
    made = Roles(fresh_database, f"{name}_migrate", f"{name}_v1")
    default = f"ALTER DEFAULT PRIVILEGES FOR ROLE {made.owner}"
    with fresh_database.connect() as connection:
        for role in (made.owner, made.release):
            connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'secret'")
        connection.execute(f"ALTER DATABASE {name} OWNER TO {made.owner}")
        connection.execute(
            f"{default} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {made.release}"
        )
        yield made
        connection.execute(f"DROP OWNED BY {made.release} CASCADE")
        connection.execute(f"DROP OWNED BY {made.owner} CASCADE")
        connection.execute(f"ALTER DATABASE {name} OWNER TO postgres")
        connection.execute(f"DROP ROLE {made.owner}, {made.release}")


def test_an_owner_migrates_and_seeds_and_a_release_serves(roles: Roles) -> None:
    owner = roles.variables(roles.owner)
    assert main(["migrate", "up"], owner) == 0
    assert main(["seed", "--users", "20", "--chirps", "100"], owner) == 0

    answers = asyncio.run(use_everything(roles))

    assert [answer.status for answer in answers] == [200, 200, 201, 201, 201, 200, 204, 204]


async def use_everything(roles: Roles) -> list[Answer]:
    login = {"email": "user7@example.com", "password": "lab"}
    async with serving(roles.database, "v1", **roles.variables(roles.release)) as service:
        return [
            await service.ask("GET", "/chirps"),
            await service.ask("GET", "/chirps/1"),
            created := await service.ask("POST", "/chirps", {"body": "x"}, user=7),
            await service.ask("POST", "/users", {"email": "new@example.com"}),
            await service.ask("POST", "/sessions", login),
            await service.ask("PUT", "/users", {"email": "other@example.com"}, user=7),
            await service.ask("DELETE", f"/chirps/{created.json()['id']}", user=7),
            await service.ask("DELETE", "/sessions", user=7),
        ]


def test_a_release_may_ask_for_the_status_and_not_migrate(
    roles: Roles, capsys: pytest.CaptureFixture[str]
) -> None:
    release = roles.variables(roles.release)
    assert main(["migrate", "up"], roles.variables(roles.owner)) == 0

    assert main(["migrate", "status"], release) == 0
    assert main(["migrate", "up", "--track", "rename-careless"], release) == 2
    assert "42501" in capsys.readouterr().err


def test_a_release_that_lost_its_rights_says_so(roles: Roles) -> None:
    assert main(["migrate", "up"], roles.variables(roles.owner)) == 0

    async def once() -> Answer:
        async with serving(roles.database, "v1", **roles.variables(roles.release)) as service:
            revoke(roles)
            return await ask_for_chirps(service)

    answer = asyncio.run(once())
    assert (answer.status, answer.json()["sqlstate"]) == (500, "42501")


def revoke(roles: Roles) -> None:
    with roles.database.connect() as connection:
        connection.execute(f"REVOKE ALL ON chirps FROM {roles.release}")


async def ask_for_chirps(service: Service) -> Answer:
    return await service.ask("GET", "/chirps")
