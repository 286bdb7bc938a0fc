"""`plan`: what is measured of the pending files, and that the real database is only read."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from lab.chirps import migrate
from lab.chirps.operator import modes, snapshot
from lab.chirps.operator.scratch import PREFIX
from lab.goose.catalog import MODES
from lab.postgres import Server
from tests.chirps.operators import Operator, roles, value
from tests.chirps.real import add_users, migrate_up
from tests.postgres import Database, new_database, postgres  # noqa: F401 - a fixture

CAREFUL = ("--track", "rename-careful")
SCRATCHES = f"SELECT count(*) FROM pg_database WHERE datname LIKE '{PREFIX}%'"
CHIRPS = "INSERT INTO chirps (author_id, body) SELECT 1, 'x' FROM generate_series(1, 300)"


@pytest.fixture(scope="module")
def template(postgres: Server) -> Iterator[Database]:  # noqa: F811 - a fixture
    """Schema 5 with 300 chirps that the statistics know of."""
    with new_database(postgres) as database:
        migrate_up(database)
        add_users(database)
        with database.connect() as connection:
            connection.execute(CHIRPS)
            connection.execute("ANALYZE chirps")
        yield database


@pytest.fixture
def database(template: Database) -> Iterator[Database]:
    with new_database(template.server, template=template.name) as database:
        yield database


@pytest.fixture
def operator(database: Database, capsys: pytest.CaptureFixture[str]) -> Operator:
    return Operator(database, capsys)


@pytest.fixture
def track(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A track of one's own above the base."""
    (tmp_path / "base").symlink_to(migrate.FOLDER / "base")
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.setattr(migrate, "FOLDER", tmp_path)
    return folder


def write(track: Path, *statements: str, head: str = "", version: int = 6) -> None:
    body = "\n".join(statements)
    (track / f"{version:05}_own.sql").write_text(f"{head}\n-- +goose Up\n{body}\n")


def files(operator: Operator, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = operator.ask("plan", *arguments)[1]["files"]
    return found


def test_the_careful_track_is_told_file_by_file(operator: Operator, database: Database) -> None:
    code, told = operator.ask("plan", *CAREFUL)

    assert code == 0
    assert (told["schema"], told["to"], told["floor"]) == (5, 9, 1)
    expand, backfill, relax, contract = told["files"]
    assert [each["phase"] for each in told["files"]] == ["expand", "backfill", "relax", "contract"]
    assert expand["locks"] == [
        {
            "table": "chirps",
            "mode": "AccessExclusiveLock",
            "stops": "stops reads and writes",
            "rows": 300,
        }
    ]
    assert (backfill["in_transaction"], contract["in_transaction"]) == (False, True)
    assert expand["down"] == {
        "proven": True,
        "failure": None,
        "drops": ["column chirps.content"],
    }
    assert contract["down"]["proven"] is False
    assert expand["works_afterwards"] == ["v1", "v1b", "v2"]
    assert (relax["works_afterwards"], relax["stops_working"]) == (["v2", "v3"], ["v1", "v1b"])
    assert (contract["works_afterwards"], contract["stops_working"]) == (["v3"], ["v2"])
    assert [each["rewrites"] for each in told["files"]] == [[], [], [], []]


def test_a_tired_operator_reads_what_it_stops_and_what_to_type(operator: Operator) -> None:
    code, out, _ = operator("plan", *CAREFUL, "--to", "6")

    assert code == 0
    assert out.splitlines() == [
        "yes: 1 file is pending: schema 5 to 6",
        "00006_expand.sql: expand, in a transaction",
        "  locks    chirps: AccessExclusiveLock, which stops reads and writes; about 300 rows",
        "  waits    for a lock without limit, and others behind it: "
        "use --lock-timeout 1 --retries 10",
        "  back     reversible=yes, its Down is proven, and drops column chirps.content",
        "  works    afterwards v1, v1b, v2",
        "next:",
        "  chirps migrate up --track rename-careful --to 6 --lock-timeout 1 --retries 10",
    ]


def test_it_goes_up_to_where_somebody_is_shut_out_and_asks_there(operator: Operator) -> None:
    _, told = operator.ask("plan", *CAREFUL)

    assert told["next"] == [
        "chirps migrate up --track rename-careful --to 6 --lock-timeout 1 --retries 10",
        "chirps migrate can-i-contract --track rename-careful --to 7",
        "chirps migrate up --track rename-careful --to 7",
    ]


def test_what_is_to_be_typed_leaves_a_file_the_limits_it_has(operator: Operator) -> None:
    _, told = operator.ask("plan", "--track", "lock-queue-careful")

    assert told["next"] == ["chirps migrate up --track lock-queue-careful --to 6"]


@pytest.mark.parametrize("command", ["plan", "up", "can-i-contract"])
def test_a_version_that_no_file_has_is_refused_and_not_taken_for_all(
    operator: Operator, database: Database, command: str
) -> None:
    code, out, err = operator(command, *CAREFUL, "--to", "77")

    assert (code, out) == (2, "")
    assert err.splitlines() == [
        "Error: track rename-careful has no file of version 77 (it has 1, 2, 3, 4, 5, 6, 7, 8, 9)",
        "next:",
        "  chirps migrate status --track rename-careful",
    ]
    assert value(database, "SELECT max(version_id) FROM goose_db_version") == 5


def test_a_file_that_shuts_a_release_out_is_asked_about_first(operator: Operator) -> None:
    _, out, _ = operator("plan", "--track", "rename-careless")

    assert "  stops    v1, v1b (v1: its statements name the column body" in out
    assert "  chirps migrate can-i-contract --track rename-careless --to 6" in out


def test_a_file_that_says_how_it_waits_is_told_so(operator: Operator) -> None:
    _, out, _ = operator("plan", "--track", "lock-queue-careful")

    assert "  waits    1 s for a lock, then again up to 30 times" in out


@pytest.mark.parametrize(
    ("statement", "mode", "rewrites"),
    [
        ("ALTER TABLE chirps ADD COLUMN a int DEFAULT 1;", "AccessExclusiveLock", []),
        (
            "ALTER TABLE chirps ADD COLUMN a float DEFAULT random();",
            "AccessExclusiveLock",
            ["chirps"],
        ),
        ("ALTER TABLE chirps ALTER client_ref TYPE text;", "AccessExclusiveLock", ["chirps"]),
        ("CREATE INDEX own ON chirps (created_at);", "ShareLock", []),
        ("UPDATE chirps SET body = body;", "RowExclusiveLock", []),
        ("ALTER TABLE chirps ALTER body SET STATISTICS 10;", "ShareUpdateExclusiveLock", []),
    ],
)
def test_locks_and_rewrites_are_those_that_postgresql_makes(
    operator: Operator, track: Path, statement: str, mode: str, rewrites: list[str]
) -> None:
    write(track, statement)

    (told,) = files(operator, "--track", "own")

    assert {each["table"]: each["mode"] for each in told["locks"]}["chirps"] == mode
    assert told["rewrites"] == rewrites


def test_an_index_that_is_built_concurrently_stops_nobody(operator: Operator, track: Path) -> None:
    write(track, "CREATE INDEX CONCURRENTLY own ON chirps (body);", head="-- +goose NO TRANSACTION")

    (told,) = files(operator, "--track", "own")

    (lock,) = [each for each in told["locks"] if each["table"] == "chirps"]
    assert lock["mode"] == "ShareUpdateExclusiveLock"
    assert told["in_transaction"] is False


def test_a_table_that_is_not_there_yet_has_nobody_to_wait(operator: Operator, track: Path) -> None:
    write(track, "CREATE TABLE own (id int);", "ALTER TABLE own ADD COLUMN a int;")

    (told,) = files(operator, "--track", "own")

    assert told["locks"] == []


def test_a_file_that_fails_is_found_before_it_runs(
    operator: Operator, database: Database, track: Path
) -> None:
    write(track, "ALTER TABLE chirps ADD COLUMN body text;")
    write(track, "SELECT 1;", version=7)

    code, told = operator.ask("plan", "--track", "own")

    assert code == 1
    assert [each["version"] for each in told["files"]] == [6]
    assert "42701" in told["files"][0]["failure"]
    assert value(database, SCRATCHES) == 0


def test_a_loop_over_rows_is_measured_on_rows(operator: Operator) -> None:
    _, backfill, *_ = files(operator, *CAREFUL)

    assert backfill["locks"][0]["mode"] == "RowExclusiveLock"


def test_a_file_that_rows_do_not_bear_is_found_before_it_runs(operator: Operator) -> None:
    code, told = operator.ask("plan", "--track", "notnull-naive")

    assert code == 1
    assert "23502" in told["objections"][0]


def test_no_rows_are_taken_to_a_database_that_is_named(
    operator: Operator, template: Database
) -> None:
    with new_database(template.server) as empty:
        conninfo = psycopg.conninfo.make_conninfo(**empty.connection)

        # It would fail on rows.
        assert operator("plan", "--track", "notnull-naive", "--scratch", conninfo)[0] == 0


def test_a_file_that_goose_would_not_apply_is_told(operator: Operator, database: Database) -> None:
    with database.connect() as connection:
        connection.execute("DELETE FROM goose_db_version WHERE version_id = 4")
        connection.execute("DROP TABLE refresh_tokens")

    code, told = operator.ask("plan")

    assert code == 1
    assert "`up` refuses without --allow-missing: 00004_refresh_tokens.sql" in told["objections"][0]


def test_nothing_pending_is_said_so(operator: Operator) -> None:
    assert operator("plan")[:2] == (0, "yes: nothing is pending: the database has version 5\n")


def test_the_real_database_is_only_read(operator: Operator, database: Database) -> None:
    with database.connect() as connection:
        before = snapshot.take(connection), snapshot.take(connection, version_table="")
        written = "SELECT xact_commit + xact_rollback >= 0 FROM pg_stat_database LIMIT 1"
        connection.execute(written)

    operator("plan", *CAREFUL)

    with database.connect() as connection:
        assert (snapshot.take(connection), snapshot.take(connection, version_table="")) == before
    assert value(database, "SELECT max(version_id) FROM goose_db_version") == 5
    assert value(database, SCRATCHES) == 0


def test_a_database_before_its_first_file_can_be_planned(
    postgres: Server,  # noqa: F811 - a fixture
    capsys: pytest.CaptureFixture[str],
) -> None:
    with new_database(postgres) as empty:
        code, told = Operator(empty, capsys).ask("plan")
        assert value(empty, "SELECT to_regclass('goose_db_version')") is None

    assert (code, told["schema"], len(told["files"])) == (0, 0, 5)


def test_without_the_right_to_make_a_database_it_says_what_to_type(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    with roles(database.server, c4_reader="LOGIN IN ROLE pg_read_all_data"):
        code, out, err = Operator(database, capsys, "c4_reader")("plan", *CAREFUL)

    assert (code, out) == (2, "")
    assert "ALTER ROLE c4_reader CREATEDB;" in err


def test_a_role_that_may_make_databases_needs_no_more(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    with roles(database.server, c4_maker="LOGIN CREATEDB IN ROLE pg_read_all_data"):
        code, told = Operator(database, capsys, "c4_maker").ask("plan", *CAREFUL)

    assert code == 0
    assert len(told["files"]) == 4


def test_the_words_for_locks_follow_their_strength() -> None:
    felt = [modes.is_felt(mode) for mode in MODES]

    assert set(MODES) == set(modes.STOPS)
    assert felt == sorted(felt)
