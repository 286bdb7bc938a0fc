"""What does the gate see of a real database, and what does it leave behind?"""

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.chirps import gate_look
from lab.chirps.gate import Away, Seen
from lab.chirps.gate_look import compare
from lab.postgres import Server
from tests.chirps.real import migrate_up, read_settings, serving
from tests.chirps.relay import Relay, relay
from tests.postgres import Database, new_database, postgres  # noqa: F401 - a fixture

FILES = frozenset((1, 2, 3, 4, 5, 6))


@pytest.fixture
def database(postgres: Server) -> Iterator[Database]:  # noqa: F811 - a fixture
    """An empty one."""
    with new_database(postgres) as made:
        yield made


def seen_of(database: Database, files: frozenset[int] = FILES, **environ: str) -> Seen | Away:
    return asyncio.run(gate_look.alone(read_settings(database, **environ), files)())


def do(database: Database, *statements: str) -> None:
    with database.connect() as connection:
        for statement in statements:
            connection.execute(statement)


def tables(database: Database) -> Any:
    with database.connect() as connection:
        return connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")


def test_an_empty_database_has_version_0_and_stays_empty(database: Database) -> None:
    assert seen_of(database) == Seen(0, floor=None, pending=(1, 2, 3, 4, 5, 6))

    assert tables(database).fetchone() == (0,)


def test_version_and_floor_are_those_of_the_database(database: Database) -> None:
    migrate_up(database)

    assert seen_of(database) == Seen(5, floor=1, pending=(6,))


def test_what_the_image_does_not_know_is_ahead(database: Database) -> None:
    migrate_up(database)

    assert seen_of(database, frozenset((1, 2, 3))) == Seen(5, floor=1, ahead=(4, 5))


def test_a_floor_that_a_migration_raised_is_seen(database: Database) -> None:
    migrate_up(database)
    do(database, "UPDATE chirps_schema SET compat_floor = 3")

    seen = seen_of(database)

    assert isinstance(seen, Seen)
    assert seen.floor == 3


def test_a_database_without_the_table_of_the_floor_has_none(database: Database) -> None:
    migrate_up(database)
    do(database, "DROP TABLE chirps_schema")

    assert seen_of(database) == Seen(5, floor=None, pending=(6,))


def test_the_newest_row_of_a_version_says_whether_it_is_applied(database: Database) -> None:
    migrate_up(database)
    insert = "INSERT INTO goose_db_version (version_id, is_applied) VALUES (5, {})"
    do(database, *(insert.format(each) for each in ("false", "true", "false")))

    assert seen_of(database) == Seen(4, floor=1, pending=(5, 6))


def test_a_version_that_was_applied_twice_counts_once(database: Database) -> None:
    migrate_up(database)
    do(database, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (5, true)")

    assert seen_of(database) == Seen(5, floor=1, pending=(6,))


def test_a_look_does_not_wait_for_a_migration_that_is_not_done(database: Database) -> None:
    migrate_up(database)
    with database.connect() as migration, migration.transaction():
        # goose's own lock, and what a file does before it is committed.
        migration.execute("SELECT pg_advisory_lock(4097083626)")
        migration.execute("UPDATE chirps_schema SET compat_floor = 3")
        migration.execute("INSERT INTO goose_db_version (version_id, is_applied) VALUES (6, true)")

        assert seen_of(database) == Seen(5, floor=1, pending=(6,))


def test_a_look_that_is_locked_out_ends_within_its_bound(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_look, "BOUND_S", 0.3)
    migrate_up(database)
    with database.connect() as migration, migration.transaction():
        migration.execute("LOCK TABLE chirps_schema IN ACCESS EXCLUSIVE MODE")

        assert seen_of(database) == Away("no answer within 0.3 s")


def test_a_server_that_falls_silent_does_not_keep_the_look(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_look, "BOUND_S", 0.3)
    monkeypatch.setattr(gate_look, "TABLES", "SELECT pg_sleep(30)")

    async def look(way: Relay) -> Seen | Away:
        asyncio.get_running_loop().call_later(0.2, way.stall)
        # psycopg alone would wait 10 s for the server to take the statement back.
        async with asyncio.timeout(5):
            return await gate_look.alone(read_settings(database, **way.variables), FILES)()

    with relay(database) as way:
        assert asyncio.run(look(way)) == Away("no answer within 0.3 s")


def test_a_look_cannot_write(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_look, "TABLES", "CREATE TABLE left_behind ()")

    seen = seen_of(database)

    assert seen == Away("cannot execute CREATE TABLE in a read-only transaction")


def test_a_look_is_known_to_the_server_as_this_pod(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_another = "(current_setting('application_name') <> 'chirps/v2/pod-1')::int"
    monkeypatch.setattr(gate_look, "TABLES", f"SELECT 1 / {is_another}")

    assert seen_of(database, CHIRPS_RELEASE="v2") == Away("division by zero")


def test_a_server_that_is_not_there_is_away_with_the_reason(database: Database) -> None:
    seen = seen_of(database, PGPORT="1")

    assert isinstance(seen, Away)
    assert "Connection refused" in seen.reason


def test_a_role_that_may_not_read_is_told_of_in_the_server_s_words(
    database: Database,
) -> None:
    migrate_up(database)
    do(
        database,
        "DO $$ BEGIN CREATE ROLE gate_stranger LOGIN PASSWORD 'x'; EXCEPTION WHEN duplicate_object"
        " THEN NULL; END $$",
    )

    seen = seen_of(database, PGUSER="gate_stranger", PGPASSWORD="x")

    assert seen == Away("permission denied for table goose_db_version")


def test_through_the_pool_the_same_is_seen(database: Database) -> None:
    migrate_up(database)

    async def look() -> Seen | Away:
        async with serving(database, "v1") as service:
            return await gate_look.pooled(service.state.database, FILES)()

    assert asyncio.run(look()) == Seen(5, floor=1, pending=(6,))


def test_a_pool_that_is_not_open_is_a_database_that_is_away() -> None:
    class Shut:
        async def row(self, *_: Any, **__: Any) -> None:
            raise psycopg.OperationalError("the pool is not open yet\nmore")

    shut: Any = Shut()

    assert asyncio.run(gate_look.pooled(shut, FILES)()) == Away("the pool is not open yet")


versions = st.frozensets(st.integers(1, 9))


@settings(deadline=None)
@given(versions, versions)
def test_files_and_database_are_split_without_a_rest(
    applied: frozenset[int], files: frozenset[int]
) -> None:
    seen = compare(applied | {0}, 1, files)

    assert set(seen.pending) == files - applied
    assert set(seen.ahead) == applied - files
    assert seen.version == max(applied | {0})
