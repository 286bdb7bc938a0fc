"""Two runs at once: what each kind of lock makes of them."""

import threading
import zlib
from pathlib import Path
from typing import Any

import psycopg
import pytest

from lab import goose
from lab.goose import Lock, Options
from lab.goose.options import LOCK_ID
from tests.goose.scratch import WITHOUT_TRANSACTION, Connection, migration, tables, versions, write
from tests.postgres import Database, fresh_database, postgres  # noqa: F401 - fixtures

WAITING = """
    SELECT count(*) FROM pg_locks
    WHERE locktype = 'advisory' AND NOT granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@pytest.fixture
def database(fresh_database: Database) -> Database:  # noqa: F811
    return fresh_database


@pytest.fixture
def connection(database: Database) -> Any:
    with database.connect() as connection:
        yield connection


@pytest.fixture
def other(database: Database) -> Any:
    with database.connect() as connection:
        connection.execute("SET application_name TO 'another run'")
        yield connection


def test_the_lock_is_that_of_goose() -> None:
    assert zlib.crc32(b"goose") == LOCK_ID == 4097083626


@pytest.mark.parametrize("lock", [Lock.TRY, Lock.BLOCKING])
def test_a_run_holds_the_lock_and_gives_it_back(
    connection: Connection, other: Connection, tmp_path: Path, lock: Lock
) -> None:
    files = write(tmp_path, {1: migration("CREATE TABLE a ();"), 2: migration("SELECT 1/0;")})
    free: list[object] = []

    def look(event: goose.Event) -> None:
        if event["event"] == "applying":
            free.append(other.execute("SELECT pg_try_advisory_lock(%s)", (LOCK_ID,)).fetchone())

    with pytest.raises(goose.MigrationFailed):
        goose.up(connection, files, on_event=look, options=Options(lock=lock))

    assert free == [(False,), (False,)]
    assert other.execute("SELECT pg_try_advisory_lock(%s)", (LOCK_ID,)).fetchone() == (True,)


def test_nothing_locks_unless_it_is_asked_for(
    connection: Connection, other: Connection, tmp_path: Path
) -> None:
    other.execute("SELECT pg_advisory_lock(%s)", (LOCK_ID,))

    assert goose.up(connection, write(tmp_path, {1: migration("CREATE TABLE a ();")}))


def test_try_asks_again_until_the_other_is_done(
    connection: Connection, other: Connection, tmp_path: Path
) -> None:
    files = write(tmp_path, {1: migration("CREATE TABLE a ();")})
    other.execute("SELECT pg_advisory_lock(%s)", (LOCK_ID,))
    slept: list[float] = []
    events: list[goose.Event] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            other.execute("SELECT pg_advisory_unlock_all()")

    goose.up(connection, files, on_event=events.append, options=Options(lock=Lock.TRY, sleep=sleep))

    assert slept == [5.0, 5.0, 5.0]
    waits, then = events[:3], events[3]
    assert [(e["event"], e["remaining"]) for e in waits] == [
        ("lock_wait", 60),
        ("lock_wait", 59),
        ("lock_wait", 58),
    ]
    assert waits[0]["holder"] == f"process {other.info.backend_pid}, another run"
    assert then["event"] == "locked"


def test_try_gives_up_and_says_who_has_it(
    connection: Connection, other: Connection, tmp_path: Path
) -> None:
    files = write(tmp_path, {1: migration("CREATE TABLE a ();")})
    other.execute("SELECT pg_advisory_lock(%s)", (LOCK_ID,))
    slept: list[float] = []
    options = Options(lock=Lock.TRY, lock_tries=2, lock_interval_s=0.5, sleep=slept.append)

    with pytest.raises(goose.Locked) as caught:
        goose.up(connection, files, options=options)

    assert slept == [0.5, 0.5]
    assert caught.value.message == (
        f"lock {LOCK_ID} was not to be had in 3 tries "
        f"(held by process {other.info.backend_pid}, another run)"
    )
    assert tables(connection) == []


def test_blocking_waits_within_postgresql(
    connection: Connection, other: Connection, tmp_path: Path
) -> None:
    files = write(tmp_path, {1: migration("CREATE TABLE a ();")})
    other.execute("SELECT pg_advisory_lock(%s)", (LOCK_ID,))
    events: list[goose.Event] = []
    options = Options(lock=Lock.BLOCKING)
    run = threading.Thread(
        target=lambda: goose.up(connection, files, on_event=events.append, options=options)
    )

    run.start()
    while other.execute(WAITING).fetchone() != (1,):
        pass
    other.execute("SELECT pg_advisory_unlock_all()")
    run.join()

    assert [e["event"] for e in events[:2]] == ["lock_wait", "locked"]
    assert versions(connection) == [0, 1]


def test_a_wait_that_postgresql_ends_is_told_with_its_code(
    connection: Connection, other: Connection, tmp_path: Path
) -> None:
    files = write(tmp_path, {1: migration("CREATE TABLE a ();")})
    other.execute("SELECT pg_advisory_lock(%s)", (LOCK_ID,))
    connection.execute("SET lock_timeout TO '20ms'")

    with pytest.raises(goose.Locked) as caught:
        goose.up(connection, files, options=Options(lock=Lock.BLOCKING))

    assert caught.value.sqlstate == "55P03"


def test_who_waits_blocking_and_who_builds_an_index_stand_in_each_others_way(
    connection: Connection, other: Connection, tmp_path: Path
) -> None:
    """The wait holds a snapshot that the index waits for: PostgreSQL ends one of the two."""
    head = WITHOUT_TRANSACTION
    files = write(
        tmp_path,
        {
            1: migration("CREATE TABLE a (id int);"),
            2: migration("SELECT 1;\nCREATE INDEX CONCURRENTLY i ON a (id);", head=head),
        },
    )
    goose.up(connection, files, to=1)
    options = Options(lock=Lock.BLOCKING)
    for each in (connection, other):
        each.execute("SET deadlock_timeout TO '50ms'")
    failures: list[goose.GooseError] = []
    second = threading.Thread(target=lambda: failures.extend(failure_of(other, files, options)))

    def start_second(event: goose.Event) -> None:
        if event["event"] == "applying":
            second.start()
            with psycopg.connect(connection.info.dsn, autocommit=True) as third:
                while third.execute(WAITING).fetchone() != (1,):
                    pass

    first = failure_of(connection, files, options, start_second)
    second.join()

    victim, *others = [getattr(each, "sqlstate", None) for each in (*first, *failures)]
    assert victim == "40P01"
    # If it was the index, an invalid one was left, which the second run then meets.
    assert others in ([], ["42P07"])


def failure_of(
    connection: Connection,
    files: tuple[goose.Migration, ...],
    options: Options,
    on_event: goose.OnEvent = lambda event: None,
) -> list[goose.GooseError]:
    try:
        goose.up(connection, files, on_event=on_event, options=options)
    except goose.GooseError as exc:
        return [exc]
    return []


def test_a_file_that_drops_the_lock_is_found(connection: Connection, tmp_path: Path) -> None:
    files = write(tmp_path, {1: migration("SELECT pg_advisory_unlock_all();")})

    with pytest.raises(goose.LockLost, match=f"lock {LOCK_ID} was dropped while migrations ran"):
        goose.up(connection, files, options=Options(lock=Lock.TRY))
    assert versions(connection) == [0, 1]


@pytest.mark.parametrize("lock_id", [-1, 0, 7, 2**63 - 1, -(2**63)])
def test_any_64_bit_number_can_be_the_lock(
    connection: Connection, other: Connection, tmp_path: Path, lock_id: int
) -> None:
    files = write(tmp_path, {1: migration("SELECT 1;")})
    other.execute("SELECT pg_advisory_lock(%s)", (lock_id,))
    options = Options(lock=Lock.TRY, lock_id=lock_id, lock_tries=0)

    with pytest.raises(goose.Locked, match=r"in 1 tries .*another run"):
        goose.up(connection, files, options=options)
