"""The migrations on a real database: what is told of them, and what they do."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from lab.chirps.cli import main
from tests.chirps.real import add_users, migrate_up
from tests.postgres import Database, fresh_database, postgres  # noqa: F401 - fixtures

pytestmark = pytest.mark.e2e

CHIRPS = """INSERT INTO chirps (author_id, body)
SELECT 1 + n % 9, 'chirp ' || n FROM generate_series(1, 4500) AS n"""
WITHOUT_CONTENT = "SELECT count(*) FROM chirps WHERE content IS NULL"
WITH_CONTENT = "SELECT count(*) FROM chirps WHERE content IS NOT NULL"
WAITING = """SELECT pid FROM pg_stat_activity
WHERE application_name LIKE 'chirps-migrate/%' AND wait_event_type = 'Lock'"""
NOTE_NAMES = """CREATE TABLE names AS SELECT ''::text AS name;
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE names SET name = current_setting('application_name');
    RETURN NEW;
END $$;
CREATE TRIGGER note BEFORE INSERT ON goose_db_version FOR EACH ROW EXECUTE FUNCTION note()"""
BATCHES = "SELECT count(DISTINCT xmin::text) FROM chirps"


@pytest.fixture
def database(fresh_database: Database) -> Database:  # noqa: F811 - a fixture
    return fresh_database


@pytest.fixture
def chirps(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run the program in process: arguments -> exit code, stdout, stderr."""

    def run(*arguments: str, **environ: str) -> tuple[int, str, str]:
        code = main(arguments, {**database.variables, **environ})
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def one(database: Database, statement: str) -> Any:
    with database.connect() as connection:
        row = connection.execute(statement).fetchone()
        return None if row is None else row[0]


def test_up_applies_everything_once_and_tells_of_it(database: Database, chirps: Any) -> None:
    code, out, err = chirps("migrate", "up", "--json")

    done = json.loads(out)
    assert code == 0
    assert (done["track"], done["from"], done["version"]) == ("base", 0, 5)
    assert [each["version"] for each in done["applied"]] == [1, 2, 3, 4, 5]
    events = [json.loads(line)["event"] for line in err.splitlines()]
    assert events == ["table_created", *["applying", "applied"] * 5]
    assert chirps("migrate", "up")[:2] == (0, "the database has version 5\n")
    assert one(database, "SELECT count(*) FROM goose_db_version") == 6


def test_up_stops_where_it_is_told_to(chirps: Any) -> None:
    assert chirps("migrate", "up", "--to", "3")[1] == "the database has version 3\n"
    out = chirps("migrate", "up", "--track", "rename-careful", "--to", "6")[1]
    assert out == "the database has version 6\n"


def test_the_track_comes_from_the_environment_too(chirps: Any) -> None:
    code, out, _ = chirps("migrate", "up", CHIRPS_TRACK="rename-control")

    assert (code, out) == (0, "the database has version 6\n")


def test_status_of_an_empty_database_changes_nothing(database: Database, chirps: Any) -> None:
    code, out, _ = chirps("migrate", "status")

    assert code == 1
    assert out.splitlines()[1].split() == ["1", "pending", "base", "-", "00001_users.sql"]
    assert out.splitlines()[-1] == "the database has version 0: not up to date"
    assert one(database, "SELECT to_regclass('goose_db_version')") is None


def test_status_tells_applied_pending_missing_and_unknown(database: Database, chirps: Any) -> None:
    migrate_up(database, "rename-careful", 7)
    with database.connect() as connection:
        connection.execute("DELETE FROM goose_db_version WHERE version_id = 4")

    code, out, _ = chirps("migrate", "status", "--track", "rename-control", "--json")

    told = json.loads(out)
    states = {each["version"]: each["state"] for each in told["migrations"]}
    assert code == 1
    assert (told["track"], told["version"], told["up_to_date"]) == ("rename-control", 7, False)
    assert states == {
        **dict.fromkeys((1, 2, 3, 5, 6), "applied"),
        4: "missing",
        7: "unknown",
    }


def test_status_passes_on_what_files_say_of_themselves(database: Database, chirps: Any) -> None:
    migrate_up(database)

    code, out, _ = chirps("migrate", "status", "--track", "rename-careless", "--json")

    (rename,) = [each for each in json.loads(out)["migrations"] if each["version"] == 6]
    assert code == 1
    assert (rename["state"], rename["applied_at"]) == ("pending", None)
    assert rename["annotations"] == {
        "phase": "rename",
        "reversible": "yes",
        "breaks": "v1",
        "because": "its statements name the column body, which is called content now",
    }


def test_a_database_that_is_ahead_is_up_to_date_for_who_knows_less(
    database: Database, chirps: Any
) -> None:
    migrate_up(database, "rename-careless")

    assert chirps("migrate", "status")[0] == 0
    assert chirps("migrate", "up")[0] == 0


def test_a_file_that_fails_is_named_and_nothing_of_it_stays(
    database: Database, chirps: Any
) -> None:
    migrate_up(database)
    with database.connect() as connection:
        connection.execute("ALTER TABLE chirps ADD COLUMN content text")

    code, out, err = chirps("migrate", "up", "--track", "rename-careful")

    assert (code, out) == (1, "")
    assert err.splitlines()[-1].startswith("Error: 00006_expand.sql line ")
    assert "42701" in err.splitlines()[-1]
    assert one(database, "SELECT max(version_id) FROM goose_db_version") == 5


def test_a_migration_is_known_by_its_name_to_the_server(database: Database) -> None:
    migrate_up(database)
    with database.connect() as connection:
        connection.execute(NOTE_NAMES)

    migrate_up(database, "rename-control")

    assert one(database, "SELECT name FROM names") == "chirps-migrate/unknown/pod-1"


@pytest.fixture
def expanded(database: Database) -> Iterator[Database]:
    """Schema 6 of the careful track with 4500 chirps that have no content."""
    migrate_up(database, "rename-careful", 6)
    add_users(database)
    with database.connect() as connection:
        connection.execute(CHIRPS)
    return database


def test_the_backfill_copies_every_row_in_batches_of_a_thousand(expanded: Database) -> None:
    migrate_up(expanded, "rename-careful", 7)

    assert one(expanded, WITHOUT_CONTENT) == 0
    assert one(expanded, "SELECT count(*) FROM chirps WHERE content <> body") == 0
    # Each row bears the transaction that wrote it last.
    assert one(expanded, BATCHES) == 5


def test_the_backfill_leaves_alone_what_v2_wrote(expanded: Database) -> None:
    with expanded.connect() as connection:
        connection.execute("UPDATE chirps SET content = 'by v2' WHERE id = 10")

    migrate_up(expanded, "rename-careful", 7)

    assert one(expanded, "SELECT content FROM chirps WHERE id = 10") == "by v2"


def test_a_backfill_that_was_killed_keeps_its_batches_and_goes_on(expanded: Database) -> None:
    failures: list[BaseException] = []

    def backfill() -> None:
        try:
            migrate_up(expanded, "rename-careful", 7)
        except Exception as error:
            failures.append(error)

    with expanded.connect() as holder, expanded.connect() as other:
        holder.execute("BEGIN")
        holder.execute("SELECT FROM chirps WHERE id = 2500 FOR UPDATE")
        migrating = threading.Thread(target=backfill)
        migrating.start()
        kill(other, waiting(other))
        migrating.join()
        holder.execute("ROLLBACK")

    assert [type(failure).__name__ for failure in failures] == ["CannotTell"]
    assert one(expanded, WITH_CONTENT) == 2000
    assert one(expanded, "SELECT max(version_id) FROM goose_db_version") == 6
    before = one(expanded, "SELECT xmin::text FROM chirps WHERE id = 1")

    migrate_up(expanded, "rename-careful", 7)

    assert one(expanded, WITHOUT_CONTENT) == 0
    assert one(expanded, "SELECT xmin::text FROM chirps WHERE id = 1") == before
    assert one(expanded, "SELECT max(version_id) FROM goose_db_version") == 7


def waiting(connection: psycopg.Connection[Any]) -> int:
    """Wait until a migration waits for a lock, and return its process."""
    deadline = time.monotonic() + 20
    while (row := connection.execute(WAITING).fetchone()) is None:
        assert time.monotonic() < deadline
    return int(row[0])


def kill(connection: psycopg.Connection[Any], process: int) -> None:
    connection.execute("SELECT pg_terminate_backend(%s)", (process,))


def test_status_tells_the_compat_floor_and_the_phase_of_each_file(
    database: Database, chirps: Any
) -> None:
    assert json.loads(chirps("migrate", "status", "--json")[1])["floor"] is None
    migrate_up(database, "rename-careful", 8)

    code, out, _ = chirps("migrate", "status", "--track", "rename-careful")

    assert code == 1
    assert out.splitlines()[8].split()[:3] == ["8", "applied", "relax"]
    assert out.splitlines()[-1] == ("the database has version 8; compat floor 2: not up to date")
