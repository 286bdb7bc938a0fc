"""A file that got no lock: when it runs again, and when it must not."""

import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab import goose
from lab.goose import Options
from lab.goose.retry import Retries
from tests.goose.scratch import WITHOUT_TRANSACTION, Connection, migration, tables, versions, write
from tests.postgres import Database, fresh_database, postgres  # noqa: F401 - fixtures

HELD_S = 0.02


@pytest.fixture
def database(fresh_database: Database) -> Database:  # noqa: F811
    return fresh_database


@pytest.fixture
def connection(database: Database) -> Any:
    with database.connect() as connection:
        connection.execute("CREATE TABLE held (id int); CREATE TABLE free (id int)")
        yield connection


@pytest.fixture
def holder(database: Database, connection: Connection) -> Any:
    """Another session, with a lock on `held` that lets nobody in."""
    with database.connect() as other:
        other.execute("BEGIN")
        other.execute("LOCK TABLE held")
        yield other


def impatient(sleep: Callable[[float], None], *, retries: int = 5) -> Options:
    return Options(lock_timeout_s=HELD_S, retries=retries, sleep=sleep, rng=random.Random(7))


def never(seconds: float) -> None:
    raise AssertionError("it must not run again")


def test_it_runs_again_until_the_lock_is_free(
    connection: Connection, holder: Connection, tmp_path: Path
) -> None:
    files = write(tmp_path, {1: migration("CREATE TABLE a ();\nALTER TABLE held ADD a int;")})
    events: list[goose.Event] = []
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            holder.execute("ROLLBACK")

    goose.up(connection, files, on_event=events.append, options=impatient(sleep))

    told = [e for e in events if e["event"] == "retrying"]
    assert [(e["retry"], e["of"], e["sqlstate"]) for e in told] == [
        (1, 5, "55P03"),
        (2, 5, "55P03"),
    ]
    assert [e["in_s"] for e in told] == slept
    assert versions(connection) == [0, 1]
    assert tables(connection) == ["a", "free", "held"]


@pytest.mark.parametrize(
    "body", ["ALTER TABLE held ADD a int;", "ALTER TABLE held ADD a int; -- end"]
)
@pytest.mark.parametrize("head", ["", WITHOUT_TRANSACTION])
def test_it_may_run_again_more_often_than_psycopg_sends_a_statement_unprepared(
    connection: Connection, holder: Connection, tmp_path: Path, head: str, body: str
) -> None:
    files = write(tmp_path, {1: migration(body, head=head)})
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 12:
            free(holder)

    goose.up(connection, files, options=impatient(sleep, retries=20))

    assert versions(connection) == [0, 1]


def test_the_failure_is_raised_when_there_are_no_more_retries(
    connection: Connection, holder: Connection, tmp_path: Path
) -> None:
    files = write(tmp_path, {1: migration("CREATE TABLE a ();\nALTER TABLE held ADD a int;")})
    slept: list[float] = []

    with pytest.raises(goose.LockTimeout, match=r"line 3, statement 2: .*55P03"):
        goose.up(connection, files, options=impatient(slept.append, retries=3))

    assert len(slept) == 3
    assert tables(connection) == ["free", "held"]
    assert versions(connection) == [0]


def test_down_runs_again_too(connection: Connection, holder: Connection, tmp_path: Path) -> None:
    files = write(tmp_path, {1: migration("SELECT 1;", "DROP TABLE held;")})
    goose.up(connection, files)

    goose.down(connection, files, options=impatient(lambda _: free(holder)))

    assert versions(connection) == [0]


def free(holder: Connection) -> None:
    holder.execute("ROLLBACK")


def test_a_file_says_how_long_it_waits_and_how_often(
    connection: Connection, holder: Connection, tmp_path: Path
) -> None:
    head = f"-- +lab lock-timeout={HELD_S} retries=2\n"
    files = write(tmp_path, {1: migration("ALTER TABLE held ADD a int;", head=head)})
    slept: list[float] = []

    with pytest.raises(goose.LockTimeout):
        goose.up(connection, files, options=Options(sleep=slept.append))
    assert len(slept) == 2
    with pytest.raises(goose.LockTimeout):
        goose.up(connection, files, options=Options(retries=0, sleep=never))


def test_other_failures_are_not_tried_again(connection: Connection, tmp_path: Path) -> None:
    files = write(tmp_path, {1: migration("SELECT 1/0;")})

    with pytest.raises(goose.MigrationFailed, match="22012"):
        goose.up(connection, files, options=impatient(never))


@pytest.mark.parametrize(
    "body",
    [
        "CREATE TABLE a ();\nCOMMIT;\nALTER TABLE held ADD a int;",
        "ROLLBACK;\nCREATE TABLE a ();\nALTER TABLE held ADD a int;",
        "-- +goose StatementBegin\nCREATE TABLE a (); COMMIT; BEGIN; LOCK TABLE held;\n"
        "-- +goose StatementEnd",
        "-- +goose StatementBegin\nROLLBACK; BEGIN; CREATE TABLE a (); COMMIT; BEGIN;"
        " LOCK TABLE held;\n-- +goose StatementEnd",
    ],
)
def test_a_file_that_committed_by_itself_is_not_tried_again(
    connection: Connection, holder: Connection, tmp_path: Path, body: str
) -> None:
    files = write(tmp_path, {1: migration(body)})

    with pytest.raises(goose.LockTimeout):
        goose.up(connection, files, options=impatient(never))
    assert tables(connection) == ["a", "free", "held"]


class TestWithoutTransaction:
    def test_the_first_statement_is_tried_again(
        self, connection: Connection, holder: Connection, tmp_path: Path
    ) -> None:
        body = "ALTER TABLE held ADD a int;\nCREATE TABLE a ();"
        files = write(tmp_path, {1: migration(body, head=WITHOUT_TRANSACTION)})

        goose.up(connection, files, options=impatient(lambda _: free(holder)))

        assert versions(connection) == [0, 1]

    @pytest.mark.parametrize(
        "body",
        [
            "CREATE TABLE a ();\nALTER TABLE held ADD a int;",
            "SELECT 1;\nALTER TABLE held ADD a int;",
            "-- +goose StatementBegin\nDO $$ BEGIN\nINSERT INTO free VALUES (1); COMMIT;\n"
            "ALTER TABLE held ADD a int;\nEND $$;\n-- +goose StatementEnd",
        ],
    )
    def test_what_comes_after_something_that_ran_is_not(
        self, connection: Connection, holder: Connection, tmp_path: Path, body: str
    ) -> None:
        files = write(tmp_path, {1: migration(body, head=WITHOUT_TRANSACTION)})

        with pytest.raises(goose.LockTimeout):
            goose.up(connection, files, options=impatient(never))

    def test_an_index_that_is_left_invalid_is_not(
        self, connection: Connection, database: Database, tmp_path: Path
    ) -> None:
        body = "CREATE INDEX CONCURRENTLY i ON free (id);"
        files = write(tmp_path, {1: migration(body, head=WITHOUT_TRANSACTION)})

        with database.connect() as writer:
            writer.execute("BEGIN")
            writer.execute("INSERT INTO free VALUES (1)")
            with pytest.raises(goose.LockTimeout):
                goose.up(connection, files, options=impatient(never))

        valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass"
        assert connection.execute(valid).fetchone() == (False,)
        assert versions(connection) == [0]


def test_the_victim_of_a_deadlock_is_tried_again(
    connection: Connection, holder: Connection, database: Database, tmp_path: Path
) -> None:
    body = "LOCK TABLE free;\nSELECT pg_advisory_lock(1);\nLOCK TABLE held;"
    files = write(tmp_path, {1: migration(body)})
    # Who looks for a deadlock and finds one is its victim.
    connection.execute("SET deadlock_timeout TO '30ms'")
    holder.execute("SET LOCAL deadlock_timeout TO '60s'")
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        crossing.join()
        free(holder)

    with database.connect() as gate:
        gate.execute("SELECT pg_advisory_lock(1)")
        crossing = threading.Thread(target=cross, args=(holder, gate))
        crossing.start()
        goose.up(connection, files, options=Options(retries=1, sleep=sleep))

    assert len(slept) == 1
    assert versions(connection) == [0, 1]


def cross(holder: Connection, gate: Connection) -> None:
    """Let the file go on once the holder waits for what it has locked."""
    wait_for_waiter(gate, "advisory")
    waits = threading.Thread(target=holder.execute, args=("LOCK TABLE free",))
    waits.start()
    wait_for_waiter(gate, "relation")
    gate.execute("SELECT pg_advisory_unlock(1)")
    waits.join()


def wait_for_waiter(connection: Connection, kind: str) -> None:
    query = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = %s"
    while connection.execute(query, (kind,)).fetchone() == (0,):
        pass


@given(base=st.floats(0, 5), most=st.floats(0, 60), seed=st.integers(), tries=st.integers(1, 2000))
def test_nobody_waits_longer_than_the_back_off_allows(
    base: float, most: float, seed: int, tries: int
) -> None:
    options = Options(retry_base_s=base, retry_most_s=most, rng=random.Random(seed))
    retries = Retries(cast("Connection", None), options, tries)

    delays = [retries.next_delay_s() for _ in range(tries)]

    assert retries.done == tries
    assert all(0 <= delay <= most for delay in delays)
    assert all(delay <= base * 2**n for n, delay in enumerate(delays[:20]))
