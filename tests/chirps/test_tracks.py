"""What the files of each track do to a database that is filled, and on the way back."""

import threading
import time
from collections.abc import Iterator

import pytest

from lab import goose
from lab.chirps import migrate
from lab.goose import Migration, Reversible
from lab.postgres import Server
from tests.chirps.replay import (
    Connection,
    connected,
    fill,
    own_files,
    snapshot,
    up,
    value,
)
from tests.postgres import Database, new_database, postgres  # noqa: F401 - a fixture

WITHOUT_CONTENT = "SELECT count(*) FROM chirps WHERE content IS NULL"
BY_V1 = "INSERT INTO chirps (author_id, body) VALUES (2, 'by v1')"
BY_V3 = "INSERT INTO chirps (author_id, content) VALUES (3, 'by v3')"
QUOTAS = "SELECT array_agg(DISTINCT quota) FROM users"
# B has not seen A's file, so its Down takes away what A had made.
WRONG_ON_THE_WAY_BACK = {
    ("order-merged", 20260402090000),
    ("order-repaired", 20260402090000),
    ("order-renumbered", 7),
}
WAITING = """SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'"""
LOCKS = """SELECT DISTINCT mode FROM pg_locks
WHERE pid = pg_backend_pid() AND relation = 'chirps'::regclass AND granted"""
STORED_IN = "SELECT pg_relation_filenode('chirps')"


@pytest.fixture(scope="module")
def start(postgres: Server) -> Iterator[Database]:  # noqa: F811 - a fixture
    """Schema 5 with users and chirps."""
    with new_database(postgres) as database:
        with database.connect() as connection:
            up(connection, "base")
            fill(connection)
        yield database


@pytest.fixture(scope="module")
def empty(postgres: Server) -> Iterator[Database]:  # noqa: F811 - a fixture
    """Schema 5 without rows."""
    with new_database(postgres) as database:
        up(database, "base")
        yield database


@pytest.fixture
def database(start: Database) -> Iterator[Database]:
    with new_database(start.server, template=start.name) as database:
        yield database


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.connect() as connection:
        yield connection


def run(connection: Connection, file: Migration) -> None:
    """Run the statements of a file without recording it."""
    for statement in file.script().statements:
        connection.execute(statement.text.encode())


def can_be_taken_back(track: str) -> list[Migration]:
    return [
        each
        for each in own_files(track)
        if each.notes.reversible is not Reversible.NO
        and (track, each.version) not in WRONG_ON_THE_WAY_BACK
    ]


@pytest.mark.parametrize("track", [each for each in migrate.tracks() if each != "base"])
def test_what_can_be_taken_back_is_and_in_the_end_the_schema_is_that_of_a_fresh_database(
    track: str, connection: Connection, empty: Database
) -> None:
    reversible = can_be_taken_back(track)
    if track == "notnull-naive":
        connection.execute("DELETE FROM chirps")
    for file in own_files(track):
        before = snapshot(connection)
        up(connection, track, file.version)
        after = snapshot(connection)
        if file in reversible:
            goose.down(connection, migrate.collect(track))
            assert snapshot(connection) == before, file.name
            up(connection, track, file.version)
        assert snapshot(connection) == after, file.name
    with new_database(empty.server, template=empty.name) as fresh, fresh.connect() as other:
        up(other, track)

        assert snapshot(connection) == snapshot(other)


def test_what_v3_wrote_has_a_body_again_when_the_relaxing_is_taken_back(
    connection: Connection,
) -> None:
    up(connection, "rename-careful", 8)
    connection.execute(BY_V3)

    goose.down(connection, migrate.collect("rename-careful"))

    assert value(connection, "SELECT body FROM chirps WHERE author_id = 3") == "by v3"
    assert value(connection, "SELECT compat_floor FROM chirps_schema") == 1


def test_a_contract_says_that_there_is_no_way_back(connection: Connection) -> None:
    up(connection, "rename-careful")

    with pytest.raises(goose.MigrationFailed, match="no way back: body is gone"):
        goose.down(connection, migrate.collect("rename-careful"))
    assert goose.current_version(connection) == 9


@pytest.mark.parametrize("track", ["rename-careful", "backfill-careful", "backfill-careless"])
def test_a_backfill_leaves_no_chirp_without_content(track: str, connection: Connection) -> None:
    up(connection, track, own_files(track)[0].version)
    if track != "backfill-careless":
        connection.execute(BY_V1)
        assert value(connection, WITHOUT_CONTENT) == 100

    up(connection, track, 7)

    assert value(connection, WITHOUT_CONTENT) == 0


@pytest.mark.parametrize(("version", "said"), [(8, "is v1 gone"), (9, "who still writes body")])
def test_nothing_is_relaxed_or_dropped_while_a_chirp_has_a_body_only(
    version: int, said: str, connection: Connection
) -> None:
    up(connection, "rename-careful", version - 1)
    connection.execute(BY_V1)
    before = snapshot(connection)

    with pytest.raises(goose.MigrationFailed, match=said):
        up(connection, "rename-careful", version)

    assert snapshot(connection) == before
    assert goose.current_version(connection) == version - 1


def test_a_rename_that_was_renamed_back_leaves_the_schema_of_the_base(
    connection: Connection,
) -> None:
    before = snapshot(connection)
    up(connection, "rename-careless")
    assert snapshot(connection) != before

    up(connection, "rename-back")

    assert snapshot(connection) == before
    assert goose.current_version(connection) == 7


def test_a_column_that_must_not_be_null_passes_on_an_empty_table_only(
    connection: Connection,
) -> None:
    with pytest.raises(goose.MigrationFailed) as failed:
        up(connection, "notnull-naive")
    assert failed.value.sqlstate == "23502"

    connection.execute("DELETE FROM chirps")
    up(connection, "notnull-naive")

    assert goose.current_version(connection) == 6


@pytest.mark.parametrize("track", ["notnull-dropped", "notnull-careful"])
def test_a_default_fills_the_rows_that_are_there(track: str, connection: Connection) -> None:
    up(connection, track)

    assert value(connection, "SELECT array_agg(DISTINCT lang) FROM chirps") == ["en"]


def test_a_column_becomes_not_null_without_a_long_lock(connection: Connection) -> None:
    """Only what is validated looks at all rows, and readers and writers go on meanwhile."""
    connection.execute("SET client_min_messages = debug1")
    looked_at: list[str] = []
    connection.add_notice_handler(lambda notice: looked_at.append(str(notice.message_primary)))
    stored_in = value(connection, STORED_IN)
    strongest = {}
    for file in own_files("notnull-careful"):
        looked_at.clear()
        with connection.transaction():
            run(connection, file)
            modes = [mode for (mode,) in connection.execute(LOCKS)]
        scanned = any("verifying table" in each for each in looked_at)
        strongest[file.version] = ("AccessExclusiveLock" in modes, scanned)
        assert value(connection, STORED_IN) == stored_in

    assert strongest == {
        6: (True, False),
        7: (True, False),
        8: (False, True),
        9: (True, False),
    }


def test_who_waits_for_a_lock_carefully_does_the_same_and_says_how_long() -> None:
    (careless,), (careful,) = own_files("lock-queue-careless"), own_files("lock-queue-careful")

    assert careless.script().statements[0].text == careful.script().statements[0].text
    assert (careless.notes.lock_timeout_s, careless.notes.retries) == (None, None)
    assert (careful.notes.lock_timeout_s, careful.notes.retries) == (1, 30)


def test_who_waits_carefully_gives_up_the_place_and_comes_again(database: Database) -> None:
    """The lock is given back between the first attempt and the second, whenever that is."""
    events: list[str] = []
    with connected(database) as reader, connected(database) as connection:
        reader.execute("BEGIN")
        reader.execute("SELECT FROM chirps")

        goose.up(
            connection,
            migrate.collect("lock-queue-careful"),
            on_event=lambda event: events.append(str(event["event"])),
            options=goose.Options(sleep=lambda _: reader.rollback()),
        )

    assert events == ["applying", "retrying", "applied"]


@pytest.mark.parametrize(("track", "quota"), [("quota-careless", 20), ("quota-careful", 10)])
def test_two_that_migrate_at_once_both_record_it_and_one_way_doubles_the_data(
    track: str, quota: int, database: Database
) -> None:
    """Both have read the version before either writes: what happens then is not up to chance."""
    with connected(database) as holder:
        with holder.transaction():
            holder.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
            racers = [threading.Thread(target=up, args=(database, track)) for _ in range(2)]
            for racer in racers:
                racer.start()
            wait_until_waiting(database, len(racers))
        for racer in racers:
            racer.join()

        recorded = value(holder, "SELECT count(*) FROM goose_db_version WHERE version_id = 6")
        assert (recorded, value(holder, QUOTAS)) == (2, [quota])


def wait_until_waiting(database: Database, wanted: int) -> None:
    deadline = time.monotonic() + 30
    with connected(database) as connection:
        while value(connection, WAITING) != wanted:
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.mark.parametrize(("track", "quota"), [("quota-careless", 20), ("quota-careful", 10)])
def test_a_grant_that_is_applied_again(track: str, quota: int, connection: Connection) -> None:
    for _ in range(2):
        run(connection, own_files(track)[0])

    assert value(connection, QUOTAS) == [quota]


def test_an_image_of_v2_can_be_made_that_holds_nothing_but_the_expansion() -> None:
    """Its newest version is what a rule of strict equality would ask of the database."""
    assert migrate.known_schema("rename-expand") == 6
    assert migrate.known_schema("rename-careful") == 9


def test_a_slow_migration_waits_before_it_takes_a_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    (file,) = own_files("unordered")
    monkeypatch.delenv("CHIRPS_SLOW_MIGRATION_S", raising=False)
    assert file.script().statements[0].text == "SELECT pg_sleep(40);"

    monkeypatch.setenv("CHIRPS_SLOW_MIGRATION_S", "7.5")

    assert [each.text for each in file.script().statements] == [
        "SELECT pg_sleep(7.5);",
        "ALTER TABLE chirps ADD COLUMN content text;",
    ]
