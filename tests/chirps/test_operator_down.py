"""`down`: what it refuses, what it says is lost, and that it goes back when it may."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.chirps import migrate
from lab.chirps.operator import snapshot
from lab.chirps.operator.losses import Lost, gone
from lab.chirps.operator.scratch import PREFIX
from lab.postgres import Server
from tests.chirps.operators import Operator, roles, session, value
from tests.chirps.real import add_users, migrate_up
from tests.postgres import Database, new_database, postgres  # noqa: F401 - a fixture

CAREFUL = ("--track", "rename-careful")
VERSION = "SELECT version_id FROM goose_db_version ORDER BY id DESC LIMIT 1"
SCRATCHES = f"SELECT count(*) FROM pg_database WHERE datname LIKE '{PREFIX}%'"
CHIRPS = "INSERT INTO chirps (author_id, body) SELECT 1, 'x' FROM generate_series(1, 30)"


@pytest.fixture(scope="module")
def template(postgres: Server) -> Iterator[Database]:  # noqa: F811 - a fixture
    """Schema 5 with 9 users and 30 chirps."""
    with new_database(postgres) as database:
        migrate_up(database)
        add_users(database)
        with database.connect() as connection:
            connection.execute(CHIRPS)
        yield database


@pytest.fixture
def database(template: Database) -> Iterator[Database]:
    with new_database(template.server, template=template.name) as database:
        yield database


@pytest.fixture
def operator(database: Database, capsys: pytest.CaptureFixture[str]) -> Operator:
    return Operator(database, capsys)


def digest(database: Database) -> str:
    with database.connect() as connection:
        return snapshot.digest(snapshot.take(connection))


def test_a_file_that_says_so_and_proves_it_is_taken_back(
    operator: Operator, database: Database
) -> None:
    before = digest(database)
    migrate_up(database, "rename-careful", 6)

    code, out, _ = operator("down", *CAREFUL)

    assert code == 0
    assert out.splitlines() == [
        "yes: the database has version 5",
        "  00006_expand.sql: reversible=yes, its Down is proven",
        "    drops column chirps.content with 0 rows",
    ]
    assert digest(database) == before
    assert value(database, VERSION) == 5


def test_several_files_are_taken_back_to_a_version(operator: Operator, database: Database) -> None:
    before = digest(database)
    migrate_up(database, "rename-careful", 8)

    code, told = operator.ask("down", *CAREFUL, "--to", "5")

    assert code == 0
    assert [each["version"] for each in told["files"]] == [8, 7, 6]
    assert (told["from"], told["to"]) == (8, 5)
    assert told["files"][2]["losses"] == [{"what": "column chirps.content", "rows": 30}]
    assert (digest(database), value(database, VERSION)) == (before, 5)


def test_a_column_that_is_renamed_back_is_not_called_lost(
    operator: Operator, database: Database
) -> None:
    migrate_up(database, "rename-careless")

    _, told = operator.ask("down", "--track", "rename-careless")

    assert told["files"][0]["losses"] == []
    assert value(database, "SELECT count(body) FROM chirps") == 30


def test_a_file_that_loses_data_is_refused_with_what_would_be_lost(
    operator: Operator, database: Database
) -> None:
    before = digest(database)

    code, out, _ = operator("down", "--to", "1")

    assert code == 1
    assert out.splitlines()[0] == "no: schema 5 does not go back to 1"
    assert "    drops column users.is_member with 9 rows" in out
    assert "    drops table chirps with 30 rows" in out
    assert "  refused: 00005_membership.sql says that data is lost on the way back" in out
    assert "--data-loss-accepted" in out
    assert (digest(database), value(database, VERSION)) == (before, 5)


def test_who_accepts_the_loss_goes_back(operator: Operator, database: Database) -> None:
    code, out, _ = operator("down", "--to", "1", "--data-loss-accepted")

    assert code == 0
    assert out.splitlines()[0] == "yes: the database has version 1"
    assert value(database, "SELECT to_regclass('chirps')") is None


def test_who_says_that_there_is_no_way_back_is_believed(
    operator: Operator, database: Database
) -> None:
    migrate_up(database, "rename-careful", 7)
    migrate_up(database, "rename-careful")

    code, out, _ = operator("down", *CAREFUL, "--data-loss-accepted")

    assert code == 1
    assert "refused: 00009_contract.sql says that there is no way back" in out
    assert value(database, VERSION) == 9


@pytest.fixture
def track(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A track of one's own above the base."""
    (tmp_path / "base").symlink_to(migrate.FOLDER / "base")
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.setattr(migrate, "FOLDER", tmp_path)
    return folder


def write(track: Path, up: str, down: str, reversible: str = "yes", version: int = 6) -> None:
    (track / f"{version:05}_own.sql").write_text(
        f"-- +lab phase=expand reversible={reversible}\n"
        f"-- +goose Up\n{up}\n-- +goose Down\n{down}\n"
    )


@pytest.mark.parametrize(
    ("down", "reason"),
    [
        ("ALTER TABLE users DROP COLUMN IF EXISTS moood;", "column public.users.mood should not"),
        ("ALTER TABLE users DROP COLUMN moood;", 'column "moood" of relation'),
        ("", "column public.users.mood should not be there"),
        ("ALTER TABLE users DROP COLUMN mood, ALTER email DROP NOT NULL;", "public.users.email"),
    ],
)
def test_a_down_that_does_not_lead_back_is_found_before_it_runs(
    operator: Operator, database: Database, track: Path, down: str, reason: str
) -> None:
    write(track, "ALTER TABLE users ADD COLUMN mood text;", down)
    migrate_up(database, "own")
    before = digest(database)

    code, told = operator.ask("down", "--track", "own")

    assert code == 1
    assert told["objections"][0].startswith("the Down of 00006_own.sql does not lead back: ")
    assert reason in told["objections"][0]
    assert (digest(database), value(database, VERSION)) == (before, 6)
    assert value(database, SCRATCHES) == 0


def test_a_file_that_says_nothing_of_its_way_back_has_none(
    operator: Operator, database: Database, track: Path
) -> None:
    (track / "00006_own.sql").write_text("-- +goose Up\nSELECT 1;\n")
    migrate_up(database, "own")

    assert operator("down", "--track", "own")[0] == 1


@pytest.fixture
def relaxed(track: Path, database: Database) -> Database:
    """A column may be empty that may not be after the Down."""
    write(
        track,
        "ALTER TABLE chirps ALTER body DROP NOT NULL;",
        "ALTER TABLE chirps ALTER body SET NOT NULL;",
    )
    migrate_up(database, "own")
    return database


def test_rows_that_do_not_bear_it_are_found_before_it_runs(
    operator: Operator, relaxed: Database
) -> None:
    with relaxed.connect() as connection:
        connection.execute("UPDATE chirps SET body = NULL")

    code, told = operator.ask("down", "--track", "own")

    assert code == 1
    assert "23502" in told["objections"][0]


def test_rows_that_nobody_saw_end_it_with_everything_as_it_was(
    operator: Operator, relaxed: Database
) -> None:
    with relaxed.connect() as connection:
        connection.execute(
            "INSERT INTO chirps (author_id, body) SELECT 1, 'x' FROM generate_series(1, 999)"
        )
        connection.execute("INSERT INTO chirps (author_id) VALUES (1)")

    code, out, err = operator("down", "--track", "own")

    assert (code, out) == (1, "")
    assert "23502" in err
    assert value(relaxed, VERSION) == 6


def test_a_late_file_that_was_applied_last_goes_first(
    operator: Operator, database: Database, track: Path
) -> None:
    for version in (6, 7):
        name = f"c{version}"
        write(
            track,
            f"ALTER TABLE users ADD COLUMN {name} text;",
            f"ALTER TABLE users DROP COLUMN {name};",
            version=version,
        )
    late = (track / "00006_own.sql").rename(track / "later")
    migrate_up(database, "own")
    late.rename(track / "00006_own.sql")
    operator("up", "--track", "own", "--allow-missing")

    code, told = operator.ask("down", "--track", "own")

    assert code == 0
    assert [each["version"] for each in told["files"]] == [6]
    assert value(database, VERSION) == 7


def test_a_release_that_needs_it_and_is_there_stops_it(
    operator: Operator, database: Database
) -> None:
    migrate_up(database, "rename-careful", 6)
    with session(database, "chirps/v2/pod-1"), session(database, "chirps/v1/pod-1"):
        code, told = operator.ask("down", *CAREFUL)
        assert (code, value(database, VERSION)) == (1, 6)

    assert told["objections"] == ["v2 needs schema 6 and has 1 session: roll it back first"]
    assert operator("down", *CAREFUL)[0] == 0


def test_an_image_that_lacks_the_file_says_who_has_it(
    operator: Operator, database: Database
) -> None:
    migrate_up(database, "rename-careful", 7)

    code, out, err = operator("down")

    assert (code, out) == (1, "")
    assert "version 7 has no file in track base" in err


def test_nothing_to_take_back_is_no_failure(operator: Operator) -> None:
    code, out, _ = operator("down", "--to", "5")

    assert (code, out) == (0, "yes: the database has version 5: nothing to take back\n")


def test_without_a_place_to_prove_it_nothing_is_taken_back(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    with roles(database.server, c4_all="LOGIN IN ROLE pg_read_all_data, pg_write_all_data"):
        code, out, err = Operator(database, capsys, "c4_all")("down")

    assert (code, out) == (2, "")
    assert "may not make a scratch database" in err
    assert "--scratch" in err
    assert value(database, VERSION) == 5


def test_a_plan_of_the_way_back_changes_nothing(operator: Operator, database: Database) -> None:
    migrate_up(database, "rename-careful", 6)
    before = digest(database)

    code, out, _ = operator("plan", "--down", *CAREFUL)

    assert code == 0
    assert out.splitlines()[0] == "yes: schema 6 may go back to 5"
    assert operator("plan", "--down", "--to", "4", *CAREFUL)[0] == 1
    assert (digest(database), value(database, VERSION)) == (before, 6)


def test_a_lost_table_is_told_once_and_not_by_its_columns() -> None:
    before = {(1, 1): ("public", "a", "x"), (1, 2): ("public", "a", "y"), (2, 1): ("s", "b", "z")}

    assert gone(before, {(2, 1): ("s", "b", "renamed")}) == (Lost("public", "a", None),)
    assert [each.name for each in gone(before, {(1, 1): ("public", "a", "x")})] == [
        "column a.y",
        "table s.b",
    ]
