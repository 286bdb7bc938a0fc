"""The background worker of a release: what it writes, and what it survives."""

import asyncio
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from lab.chirps import releases, worker
from lab.chirps.errors import BadConfiguration
from lab.chirps.reach import NoConnection
from lab.chirps.worker import Work
from lab.postgres import Server, roles
from tests.chirps.matrix import OneConnection
from tests.chirps.replay import Connection, fill, up, value
from tests.chirps.service import PreparedDatabase
from tests.postgres import Database, new_database, postgres  # noqa: F401 - a fixture

AUTHOR = "chirps/v2/pod-1"
FENCED = "v2-fenced"
LAST = "SELECT {column} FROM chirps ORDER BY id DESC LIMIT 1"


def statement(kind: str) -> str:
    found = worker.statement_of(releases.load("v2"), kind)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def start(postgres: Server) -> Iterator[Database]:  # noqa: F811 - a fixture
    with new_database(postgres) as database:
        with database.connect() as connection:
            up(connection, "rename-careful", 6)
            fill(connection)
        yield database


@pytest.fixture
def database(start: Database) -> Iterator[Database]:
    with new_database(start.server, template=start.name) as database:
        yield database


def write_once(database: Database, kind: str, *, user: str = "postgres") -> Work:
    async def once() -> Work:
        work = Work()
        parameters = database.server.connection(database.name, user=user)
        async with await psycopg.AsyncConnection.connect(**parameters, autocommit=True) as one:
            await worker.write(work, OneConnection(one), statement(kind), author=AUTHOR)
        return work

    return asyncio.run(once())


def test_no_worker_runs_unless_it_is_asked_for() -> None:
    assert worker.statement_of(releases.load("v2"), "off") is None
    assert worker.statement_of(releases.load("v1"), "off") is None


@pytest.mark.parametrize(
    ("code", "kind", "here"), [("v1", "on", "off"), ("v2", "maybe", "off, on, body-only")]
)
def test_a_worker_that_a_release_does_not_have_is_refused(code: str, kind: str, here: str) -> None:
    with pytest.raises(BadConfiguration, match=rf"no worker '{kind}' \(it has {here}\)"):
        worker.statement_of(releases.load(code), kind)


def test_a_row_says_who_wrote_it(database: Database) -> None:
    work = write_once(database, "on")

    with database.connect() as connection:
        written = value(connection, LAST.format(column="content"))
        assert (work.written, work.failure) == (1, None)
        assert written == f"row 1 by the worker of {AUTHOR}"
        assert value(connection, LAST.format(column="body")) == written


@pytest.mark.parametrize(("kind", "without"), [("on", 0), ("body-only", 1)])
def test_before_the_contract_the_forgotten_path_leaves_rows_that_nobody_can_read(
    kind: str, without: int, database: Database
) -> None:
    with database.connect() as connection:
        up(connection, "rename-careful", 8)

        assert write_once(database, kind).failure is None
        empty = "SELECT count(*) FROM chirps WHERE content IS NULL"
        assert value(connection, empty) == without


@pytest.mark.parametrize("kind", ["on", "body-only"])
def test_after_the_contract_whatever_names_the_column_fails(kind: str, database: Database) -> None:
    up(database, "rename-careful")

    assert write_once(database, kind) == Work(written=0, failed=1, failure="42703")


@pytest.fixture
def as_on_nodes(postgres: Server) -> Iterator[Database]:  # noqa: F811 - a fixture
    """A database with the roles and grants of the lab; roles are the server's, so they go too."""
    passwords = {role: "secret" for role in roles.roles_for((FENCED,)) if role != "postgres"}
    with psycopg.connect(**postgres.connection(), autocommit=True) as connection:
        before = role_names(connection)
        with new_database(postgres) as database:
            with database.connect() as inside:
                inside.execute(roles.statements(passwords).encode())
                inside.execute(roles.grants().encode())
            yield database
        for role in role_names(connection) - before:
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def role_names(connection: Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT rolname FROM pg_roles")}


def test_a_worker_with_the_role_of_its_release_may_write_until_it_is_fenced(
    as_on_nodes: Database,
) -> None:
    with as_on_nodes.connect(user="chirps_migrate") as owner:
        up(owner, "rename-careful", 6)
        fill(owner)
    assert write_once(as_on_nodes, "on", user="chirps_v2_fenced").written == 1

    with as_on_nodes.connect() as connection:
        connection.execute("ALTER ROLE chirps_v2_fenced NOLOGIN")

    with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
        write_once(as_on_nodes, "on", user="chirps_v2_fenced")


def test_it_goes_on_after_every_failure_and_counts_them() -> None:
    failures = [NoConnection("none came free", None), psycopg.errors.UndefinedColumn("no"), []]
    database = PreparedDatabase(*failures, [(1,)])
    work, seen = Work(), []

    async def four_times() -> None:
        for _ in range(4):
            await worker.write(work, database, "INSERT", author=AUTHOR)
            seen.append(work.failure)

    asyncio.run(four_times())

    assert seen == ["none came free", "42703", "there is no user to write as", None]
    assert (work.written, work.failed) == (1, 3)


def test_only_a_change_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    work = Work()

    with caplog.at_level("INFO", logger="lab.chirps.worker"):
        for failure in (None, "42703", "42703", None):
            work.learn(failure)

    assert [each.levelname for each in caplog.records] == ["WARNING", "INFO"]
    assert (work.written, work.failed) == (2, 2)
