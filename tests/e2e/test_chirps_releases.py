"""Which release works on which schema, and how does it fail where it does not?"""

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

from lab.chirps.chirp import Sort
from lab.chirps.releases import v1
from lab.postgres import Server
from tests.chirps.asgi import Answer, call
from tests.chirps.real import Service, add_users, migrate_up, serving
from tests.postgres import Database, new_database, postgres  # noqa: F401 - a fixture

pytestmark = pytest.mark.e2e

# What the chirp endpoints answer: ok, the SQLSTATE of a 500, or null for an answer that is
# good and lacks the text. The chirp that is read was written by v1 on schema 5.
TABLE = """
release   schema      list   get    create  delete
v1        5           ok     ok     ok      ok
v1        6-control   ok     ok     ok      ok
v1        6-careless  42703  42703  42703   ok
v1        6-careful   ok     ok     ok      ok
v1        7-careful   ok     ok     ok      ok
v1        8-careful   ok     ok     ok      ok
v1        9-careful   42703  42703  42703   ok
v2_naive  5           42703  42703  42703   ok
v2_naive  6-control   42703  42703  42703   ok
v2_naive  6-careless  ok     ok     ok      ok
v2_naive  6-careful   null   null   23502   ok
v2_naive  7-careful   ok     ok     23502   ok
v2_naive  8-careful   ok     ok     ok      ok
v2_naive  9-careful   ok     ok     ok      ok
v2        5           42703  42703  42703   ok
v2        6-control   42703  42703  42703   ok
v2        6-careless  42703  42703  42703   ok
v2        6-careful   ok     ok     ok      ok
v2        7-careful   ok     ok     ok      ok
v2        8-careful   ok     ok     ok      ok
v2        9-careful   42703  42703  42703   ok
v3        5           42703  42703  42703   ok
v3        6-control   42703  42703  42703   ok
v3        6-careless  ok     ok     ok      ok
v3        6-careful   null   null   23502   ok
v3        7-careful   ok     ok     23502   ok
v3        8-careful   ok     ok     ok      ok
v3        9-careful   ok     ok     ok      ok
"""
HEAD, *ROWS = [line.split() for line in TABLE.strip().splitlines()]
ENDPOINTS = HEAD[2:]
SCHEMAS = {
    "5": ("base", 5),
    "6-control": ("rename-control", 6),
    "6-careless": ("rename-careless", 6),
    "6-careful": ("rename-careful", 6),
    "7-careful": ("rename-careful", 7),
    "8-careful": ("rename-careful", 8),
    "9-careful": ("rename-careful", 9),
}
BEFORE = "INSERT INTO chirps (id, author_id, body) VALUES (1, 1, 'before')"
MANY = "INSERT INTO chirps (author_id, body) SELECT 1 + n % 9, 'x' FROM generate_series(1, 9000) n"
EXPECTED = {(row[0], row[1]): row[2:] for row in ROWS}
OK = ["ok"] * len(ENDPOINTS)


@pytest.fixture(scope="module")
def start(postgres: Server) -> Iterator[Database]:  # noqa: F811 - a fixture
    """Schema 5 with users 1 to 9 and chirp 1 of user 1."""
    with new_database(postgres) as database:
        migrate_up(database)
        add_users(database)
        with database.connect() as connection:
            connection.execute(BEFORE)
            connection.execute("ALTER TABLE chirps ALTER COLUMN id RESTART WITH 2")
        yield database


@pytest.fixture
def database(start: Database) -> Iterator[Database]:
    with new_database(start.server, template=start.name) as database:
        yield database


def change_to(database: Database, schema: str) -> None:
    migrate_up(database, *SCHEMAS[schema])


def word_for(answer: Answer) -> str:
    """Return what the table says of such an answer."""
    if answer.status == 500:
        return str(answer.json()["sqlstate"])
    assert answer.status in (200, 201, 204), answer
    if not answer.body:
        return "ok"
    content = answer.json()
    (chirp,) = content if isinstance(content, list) else (content,)
    return "null" if chirp["body"] is None else "ok"


async def try_endpoints(service: Service) -> list[str]:
    """Use all four endpoints, the last one on a chirp that is not there any more after that."""
    requests: list[Coroutine[Any, Any, Answer]] = [
        service.ask("GET", "/chirps?author_id=1&sort=asc&limit=1"),
        service.ask("GET", "/chirps/1"),
        service.ask("POST", "/chirps", {"body": "new"}, user=2),
        service.ask("DELETE", "/chirps/1", user=1),
    ]
    return [word_for(await request) for request in requests]


async def warm_up(service: Service) -> None:
    """Use every statement until the driver has prepared it on the only connection."""
    for number in range(8):
        assert (await service.ask("GET", "/chirps?author_id=1&sort=asc&limit=1")).status == 200
        assert (await service.ask("GET", "/chirps/1")).status == 200
        new = await service.ask("POST", "/chirps", {"body": f"warm {number}"}, user=3)
        gone = await service.ask("DELETE", f"/chirps/{new.json()['id']}", user=3)
        assert (new.status, gone.status) == (201, 204)
    (prepared,) = await service.state.database.row("SELECT count(*) FROM pg_prepared_statements")  # type: ignore[misc]
    assert prepared == len(ENDPOINTS)


@pytest.mark.parametrize(("release", "schema"), EXPECTED)
def test_a_release_that_starts_on_a_schema(database: Database, release: str, schema: str) -> None:
    change_to(database, schema)

    async def once() -> list[str]:
        async with serving(database, release) as service:
            return await try_endpoints(service)

    assert asyncio.run(once()) == EXPECTED[release, schema]


@pytest.mark.parametrize("schema", [each for each in SCHEMAS if each != "5"])
def test_a_schema_that_changes_under_v1(database: Database, schema: str) -> None:
    async def once() -> list[str]:
        async with serving(database, "v1", CHIRPS_POOL_SIZE="1") as service:
            await warm_up(service)
            await asyncio.to_thread(change_to, database, schema)
            return await try_endpoints(service)

    assert asyncio.run(once()) == EXPECTED["v1", schema]


@pytest.mark.parametrize("schema", ["7-careful", "8-careful", "9-careful"])
def test_a_schema_that_changes_under_v2(database: Database, schema: str) -> None:
    change_to(database, "6-careful")

    async def once() -> list[str]:
        async with serving(database, "v2", CHIRPS_POOL_SIZE="1") as service:
            await warm_up(service)
            await asyncio.to_thread(change_to, database, schema)
            return await try_endpoints(service)

    assert asyncio.run(once()) == EXPECTED["v2", schema]


def test_the_contract_under_v3(database: Database) -> None:
    change_to(database, "8-careful")

    async def once() -> list[str]:
        async with serving(database, "v3", CHIRPS_POOL_SIZE="1") as service:
            await warm_up(service)
            await asyncio.to_thread(change_to, database, "9-careful")
            return await try_endpoints(service)

    assert asyncio.run(once()) == OK


def test_v1_fails_for_as_long_as_the_column_is_away_and_not_longer(database: Database) -> None:
    async def once() -> list[list[int]]:
        statuses = []
        async with serving(database, "v1", CHIRPS_POOL_SIZE="2") as service:
            await warm_up_pool(service)
            for rename in ("body TO content", "content TO body"):
                with database.connect() as connection:
                    connection.execute(f"ALTER TABLE chirps RENAME COLUMN {rename}")
                answers = [await service.ask("GET", "/chirps/1") for _ in range(10)]
                statuses.append([answer.status for answer in answers])
        return statuses

    assert asyncio.run(once()) == [[500] * 10, [200] * 10]


async def warm_up_pool(service: Service) -> None:
    for _ in range(20):
        assert (await service.ask("GET", "/chirps/1")).status == 200


BOTH_WAYS = [
    *(("6-careful", *pair) for pair in (("v1", "v2"), ("v2", "v1"))),
    *(("7-careful", *pair) for pair in (("v1", "v2"), ("v2", "v1"))),
    *(("8-careful", *pair) for pair in (("v2", "v3"), ("v3", "v2"))),
]


@pytest.mark.parametrize(("schema", "writer", "reader"), BOTH_WAYS)
def test_what_one_release_writes_the_other_reads(
    database: Database, schema: str, writer: str, reader: str
) -> None:
    change_to(database, schema)
    ref = "6f1c2d7a-93a1-4c5b-8a53-0d9d3a6f2b11"

    async def once() -> tuple[Any, Any]:
        async with serving(database, writer) as one, serving(database, reader) as other:
            new = {"body": "hello", "client_ref": ref}
            written = await one.ask("POST", "/chirps", new, user=5)
            read = await other.ask("GET", f"/chirps/{written.json()['id']}")
            return written.json(), read.json()

    written, read = asyncio.run(once())

    assert written == read
    assert (read["body"], read["client_ref"], read["author_id"]) == ("hello", ref, 5)


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("release", ["v1", "v2_naive", "v2", "v2_lang", "v3"])
def test_what_does_not_name_the_column_works_everywhere(
    database: Database, release: str, schema: str
) -> None:
    change_to(database, schema)
    login = {"email": "new@example.com", "password": "lab"}
    upgrade = {"event": "user.upgraded", "user_id": 10}
    partner = {"Authorization": "Bearer partner"}

    async def once() -> list[int]:
        async with serving(database, release) as service:
            answers = [
                await service.ask("POST", "/users", login),
                await service.ask("POST", "/sessions", login),
                await service.ask("PUT", "/users", {"email": "other@example.com"}, user=10),
                await call(service.app, "POST", "/notices", upgrade, headers=partner),
                await service.ask("DELETE", "/sessions", user=10),
                await service.ask("GET", "/page"),
            ]
        return [answer.status for answer in answers]

    assert asyncio.run(once()) == [201, 201, 200, 204, 204, 200]


def test_a_chirp_of_nobody_and_an_email_that_is_taken_are_conflicts(database: Database) -> None:
    async def once() -> list[tuple[int, str]]:
        async with serving(database, "v1") as service:
            answers = [
                await service.ask("POST", "/chirps", {"body": "x"}, user=1000),
                await service.ask("POST", "/users", {"email": "user1@example.com"}),
            ]
        return [(answer.status, answer.json()["sqlstate"]) for answer in answers]

    assert asyncio.run(once()) == [(409, "23503"), (409, "23505")]


def test_a_chirp_stored_twice_is_seen_twice(database: Database) -> None:
    """Nothing may refuse a second write: the client's ledger must be able to see it."""
    new = {"body": "twice", "client_ref": "6f1c2d7a-93a1-4c5b-8a53-0d9d3a6f2b11"}

    async def once() -> list[Any]:
        async with serving(database, "v1") as service:
            for _ in range(2):
                assert (await service.ask("POST", "/chirps", new, user=7)).status == 201
            return list((await service.ask("GET", "/chirps?author_id=7")).json())

    assert [chirp["client_ref"] for chirp in asyncio.run(once())] == [new["client_ref"]] * 2


def test_a_list_is_read_from_the_index_in_both_directions(database: Database) -> None:
    with database.connect() as connection:
        connection.execute(MANY)
        connection.execute("ANALYZE chirps")
        for sort in Sort:
            wanted = {"author_id": 3, "limit": 20}
            plan = connection.execute(f"EXPLAIN {v1.LIST_OF_AUTHOR[sort]}", wanted).fetchall()
            text = "\n".join(row[0] for row in plan)
            assert "using chirps_of_author" in text
            assert "Sort" not in text
