"""`why-not`, with real sessions that hold and wait."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from lab.postgres import Server
from tests.chirps.operators import Connection, Operator, one, roles, session, waiting
from tests.chirps.real import add_users, migrate_up
from tests.postgres import Database, new_database, postgres  # noqa: F401 - a fixture

ALTER = "ALTER TABLE chirps ADD COLUMN mood text"
MIGRATION = "chirps-migrate/v2/job-1"


@pytest.fixture(scope="module")
def template(postgres: Server) -> Iterator[Database]:  # noqa: F811 - a fixture
    with new_database(postgres) as database:
        migrate_up(database)
        add_users(database)
        yield database


@pytest.fixture
def database(template: Database) -> Iterator[Database]:
    with new_database(template.server, template=template.name) as database:
        yield database


@pytest.fixture
def operator(database: Database, capsys: pytest.CaptureFixture[str]) -> Operator:
    return Operator(database, capsys)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def reader(stack: ExitStack, database: Database, name: str = "psql") -> Connection:
    """Read in a transaction that is then forgotten."""
    connection = stack.enter_context(session(database, name))
    connection.execute("BEGIN")
    connection.execute("SELECT FROM chirps")
    return connection


def migration(stack: ExitStack, database: Database, statement: str = ALTER) -> int:
    connection = stack.enter_context(session(database, MIGRATION))
    return stack.enter_context(waiting(database, connection, statement))


def test_it_says_so_when_nothing_waits(operator: Operator) -> None:
    code, out, _ = operator("why-not")

    assert (code, out) == (0, "yes: nothing waits for a lock in this database\n")
    assert operator.ask("why-not")[1]["waiting"] == []


def test_the_root_is_found_behind_those_who_wait_themselves(
    operator: Operator, database: Database, stack: ExitStack
) -> None:
    root = reader(stack, database).info.backend_pid
    alter = migration(stack, database)
    v1 = stack.enter_context(session(database, "chirps/v1/pod-7"))
    select = stack.enter_context(waiting(database, v1, "SELECT FROM chirps"))

    code, told = operator.ask("why-not")

    assert code == 1
    assert [each["pid"] for each in told["roots"]] == [root]
    assert [each["pid"] for each in told["waiting"]] == [alter, select]
    assert told["waiting"][0]["wants"]["mode"] == "AccessExclusiveLock"
    assert told["waiting"][1]["chain"] == sorted([root, alter])
    assert (told["waiting"][1]["release"], told["waiting"][1]["pod"]) == ("v1", "pod-7")
    assert told["sentence"] == "1 migration and 1 other session wait for 1 process"


def test_what_it_says_to_type_lets_the_migration_go_on(
    operator: Operator, database: Database, stack: ExitStack
) -> None:
    root = reader(stack, database)
    connection = stack.enter_context(session(database, MIGRATION))
    with waiting(database, connection, ALTER):
        _, told = operator.ask("why-not")
        advice = told["roots"][0]["advice"]
        assert advice["is_safe"] is True
        assert advice["statement"] == f"SELECT pg_terminate_backend({root.info.backend_pid});"
        assert told["next"] == [advice["statement"]]
        with database.connect() as admin:
            admin.execute(advice["statement"].encode())
            while operator.ask("why-not")[0] == 1:
                pass

    assert operator("why-not")[0] == 0
    with database.connect() as admin:
        assert (
            one(
                admin,
                "SELECT count(*) FROM information_schema.columns "
                "WHERE table_name = 'chirps' AND column_name = 'mood'",
            )
            == 1
        )


def test_a_tired_operator_reads_who_it_is_and_what_it_holds(
    operator: Operator, database: Database, stack: ExitStack
) -> None:
    pid = reader(stack, database, "chirps/v1/pod-7").info.backend_pid
    alter = migration(stack, database)

    code, out, _ = operator("why-not")

    assert code == 1
    assert out.splitlines()[0] == "no: 1 migration waits for 1 process"
    assert f"pid {pid}: release v1 in pod pod-7, role postgres" in out
    assert "idle in transaction for " in out
    assert "holds AccessShareLock on chirps" in out
    assert "release v1 leaves no transaction open, so it was forgotten" in out
    assert f"SELECT pg_terminate_backend({pid});" in out
    assert f"pid {alter}: a migration by release v2 in pod job-1" in out
    assert f"behind {pid}" in out


def test_who_has_written_is_not_called_safe(
    operator: Operator, database: Database, stack: ExitStack
) -> None:
    writer = stack.enter_context(session(database, "psql"))
    writer.execute("BEGIN")
    writer.execute("INSERT INTO chirps (author_id, body) VALUES (1, 'x')")
    migration(stack, database)

    _, told = operator.ask("why-not")

    assert told["roots"][0]["has_written"] is True
    assert told["roots"][0]["advice"]["is_safe"] is False
    pid = writer.info.backend_pid
    assert told["next"] == [f"SELECT * FROM pg_stat_activity WHERE pid = {pid};"]


def test_a_migration_at_the_root_is_never_offered_as_safe(
    operator: Operator, database: Database, stack: ExitStack
) -> None:
    holder = stack.enter_context(session(database, MIGRATION))
    holder.execute("BEGIN")
    holder.execute("LOCK TABLE chirps")
    v1 = stack.enter_context(session(database, "chirps/v1/pod-7"))
    stack.enter_context(waiting(database, v1, "SELECT FROM chirps"))

    code, told = operator.ask("why-not")

    assert code == 1
    assert told["sentence"] == "1 session waits for 1 process"
    assert told["roots"][0]["kind"] == "migration"
    assert told["roots"][0]["advice"]["is_safe"] is False
    assert "it is a migration" in operator("why-not")[1]


def test_who_waits_for_a_row_is_told_too(
    operator: Operator, database: Database, stack: ExitStack
) -> None:
    holder = stack.enter_context(session(database, "psql"))
    holder.execute("BEGIN")
    holder.execute("UPDATE users SET email = 'x' WHERE id = 1")
    migration(stack, database, "UPDATE users SET email = 'y' WHERE id = 1")

    _, told = operator.ask("why-not")

    assert told["waiting"][0]["wants"]["target"].startswith("rows written by transaction")
    assert told["roots"][0]["pid"] == holder.info.backend_pid


def test_the_holder_of_gooses_lock_is_named_though_nobody_waits(
    operator: Operator, database: Database, stack: ExitStack
) -> None:
    holder = stack.enter_context(session(database, MIGRATION))
    holder.execute("SELECT pg_advisory_lock(4097083626)")

    code, out, _ = operator("why-not")

    assert code == 0
    assert f"goose's lock 4097083626 is held by pid {holder.info.backend_pid}" in out


def test_who_waits_in_another_database_is_not_ours(
    operator: Operator, database: Database, template: Database, stack: ExitStack
) -> None:
    other = stack.enter_context(new_database(template.server, template=template.name))
    reader(stack, other)
    migration(stack, other)

    assert operator("why-not")[0] == 0


def test_a_role_that_may_not_look_is_told_how_it_could(
    database: Database, capsys: pytest.CaptureFixture[str], stack: ExitStack
) -> None:
    stack.enter_context(roles(database.server, c4_stranger="LOGIN"))
    root = reader(stack, database).info.backend_pid
    migration(stack, database)

    code, told = Operator(database, capsys, "c4_stranger").ask("why-not")

    assert code == 1
    assert told["roots"][0]["pid"] == root
    assert told["roots"][0]["query"] is None
    assert told["roots"][0]["advice"]["is_safe"] is None
    assert told["next"] == ["GRANT pg_read_all_stats TO c4_stranger;"]
