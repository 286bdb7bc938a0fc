"""`verify`: what it finds in a database that somebody touched, and what in one that is whole."""

from collections.abc import Iterator

import psycopg
import pytest

from lab.chirps.operator import snapshot
from lab.chirps.operator.scratch import PREFIX
from lab.postgres import Server
from tests.chirps.operators import Operator, roles, session, value
from tests.chirps.real import migrate_up
from tests.postgres import Database, new_database, postgres  # noqa: F401 - a fixture

SCRATCHES = f"SELECT count(*) FROM pg_database WHERE datname LIKE '{PREFIX}%'"


@pytest.fixture(scope="module")
def template(postgres: Server) -> Iterator[Database]:  # noqa: F811 - a fixture
    with new_database(postgres) as database:
        migrate_up(database)
        yield database


@pytest.fixture
def database(template: Database) -> Iterator[Database]:
    with new_database(template.server, template=template.name) as database:
        yield database


@pytest.fixture
def operator(database: Database, capsys: pytest.CaptureFixture[str]) -> Operator:
    return Operator(database, capsys)


def change(database: Database, *statements: str) -> None:
    with database.connect() as connection:
        for statement in statements:
            connection.execute(statement.encode())


def findings(operator: Operator, *arguments: str) -> tuple[int, dict[str, list[str]]]:
    """Return the exit code, and what was found by the name of each check that found something."""
    code, told = operator.ask("verify", *arguments)
    return code, {each["name"]: each["findings"] for each in told["checks"] if each["findings"]}


def test_a_database_that_only_the_files_made_is_whole(
    operator: Operator, database: Database
) -> None:
    code, out, _ = operator("verify")

    assert code == 0
    assert out.splitlines()[0] == "yes: schema 5 is whole and as the files make it"
    assert value(database, SCRATCHES) == 0


@pytest.mark.parametrize("track", ["rename-careful", "rename-careless", "notnull-careful"])
def test_so_is_one_of_every_track(operator: Operator, database: Database, track: str) -> None:
    migrate_up(database, track)

    assert findings(operator, "--track", track) == (0, {})


def test_an_empty_database_is_as_no_files_make_it(
    postgres: Server,  # noqa: F811 - a fixture
    capsys: pytest.CaptureFixture[str],
) -> None:
    with new_database(postgres) as empty:
        assert Operator(empty, capsys)("verify")[0] == 0


def test_the_fingerprint_is_that_of_the_schema_and_not_of_its_rows(
    operator: Operator, database: Database
) -> None:
    before = operator.ask("verify")[1]["fingerprint"]
    change(database, "INSERT INTO users (email) VALUES ('a')")
    assert operator.ask("verify")[1]["fingerprint"] == before

    change(database, "ALTER TABLE users ALTER email DROP NOT NULL")
    assert operator.ask("verify")[1]["fingerprint"] != before


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        ("CREATE INDEX by_hand ON users (created_at)", "index public.by_hand should not be there"),
        ("DROP INDEX chirps_of_author", "index public.chirps_of_author is not there"),
        (
            "ALTER TABLE users ADD COLUMN mood text",
            "column public.users.mood should not be there",
        ),
        (
            "ALTER TABLE users ALTER password DROP DEFAULT",
            "column public.users.password is 'text NOT NULL' instead of "
            "\"text NOT NULL DEFAULT 'unset'::text\"",
        ),
        ("CREATE TYPE mood AS ENUM ('sad')", "type public.mood should not be there"),
        ("CREATE SEQUENCE s", "sequence public.s should not be there"),
        ("CREATE SCHEMA elsewhere", "schema elsewhere should not be there"),
        ("CREATE VIEW v AS SELECT 1 AS one", "view public.v should not be there"),
        (
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "function public.f() should not be there",
        ),
    ],
)
def test_what_somebody_did_by_hand_is_named(
    operator: Operator, database: Database, statement: str, finding: str
) -> None:
    change(database, statement)

    code, found = findings(operator)

    assert code == 1
    assert finding in found["the schema is what the files make"]


def test_an_invalid_index_is_found(operator: Operator, database: Database) -> None:
    change(
        database,
        "INSERT INTO users (email) VALUES ('a'), ('b')",
        "UPDATE users SET password = 'same'",
    )
    with pytest.raises(psycopg.errors.UniqueViolation):
        change(database, "CREATE UNIQUE INDEX CONCURRENTLY broken ON users (password)")

    code, found = findings(operator)

    assert code == 1
    assert found["every index is valid"] == [
        "index broken on users is invalid: drop it and build it again"
    ]


def test_an_unvalidated_constraint_is_found_with_what_validates_it(
    operator: Operator, database: Database
) -> None:
    change(database, "ALTER TABLE users ADD CONSTRAINT short CHECK (email <> '') NOT VALID")

    code, found = findings(operator)

    assert code == 1
    (finding,) = found["every constraint is validated"]
    assert finding == (
        "constraint short on users is not validated: ALTER TABLE users VALIDATE CONSTRAINT short"
    )


def test_the_versions_are_looked_at(operator: Operator, database: Database) -> None:
    change(
        database,
        "INSERT INTO goose_db_version (version_id, is_applied) VALUES (5, true), (77, true)",
        "DELETE FROM goose_db_version WHERE version_id = 3",
    )

    code, found = findings(operator)

    assert code == 1
    assert found["each version is recorded once"] == ["version 5 is recorded 2 times: it ran twice"]
    assert found["no version is missing"] == [
        "00003_password.sql is not applied, but later ones are"
    ]
    assert found["every version has a file"] == [
        "version 77 is applied and has no file in track base"
    ]


def test_the_floor_is_held_against_the_files(operator: Operator, database: Database) -> None:
    change(database, "UPDATE chirps_schema SET compat_floor = 4")

    code, found = findings(operator)

    assert code == 1
    assert found["the compat floor is that of the files"] == [
        "the database has 4, the files that are applied make it 1"
    ]


def test_without_the_right_to_make_a_database_it_cannot_tell_and_says_what_to_type(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    with roles(database.server, c4_reader="LOGIN IN ROLE pg_read_all_data"):
        code, out, _ = Operator(database, capsys, "c4_reader")("verify")

    assert code == 2
    assert "role c4_reader may not make a scratch database" in out
    assert "ALTER ROLE c4_reader CREATEDB;" in out


def test_a_no_stays_a_no_when_something_else_cannot_be_told(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    change(database, "UPDATE chirps_schema SET compat_floor = 4")
    with roles(database.server, c4_reader="LOGIN IN ROLE pg_read_all_data"):
        assert Operator(database, capsys, "c4_reader")("verify")[0] == 1


def test_a_database_that_is_named_is_used_and_left_empty(
    operator: Operator, template: Database
) -> None:
    with new_database(template.server) as empty:
        conninfo = psycopg.conninfo.make_conninfo(**empty.connection)
        fresh = digest(empty)

        assert operator("verify", "--scratch", conninfo)[0] == 0
        assert operator("verify", "--scratch", conninfo)[0] == 0

        assert digest(empty) == fresh


def digest(database: Database) -> str:
    with database.connect() as connection:
        return snapshot.digest(snapshot.take(connection))


def test_a_database_that_holds_something_is_not_touched(
    operator: Operator, template: Database
) -> None:
    before = digest(template)
    conninfo = psycopg.conninfo.make_conninfo(**template.connection)

    code, out, _ = operator("verify", "--scratch", conninfo)

    assert code == 2
    assert "of --scratch is not empty" in out
    assert digest(template) == before


def test_a_conninfo_that_is_none_is_told(operator: Operator) -> None:
    code, out, _ = operator("verify", "--scratch", "no such thing")

    assert code == 2
    assert "--scratch is no conninfo" in out


def test_what_a_killed_run_left_is_dropped_by_the_next(
    operator: Operator, database: Database
) -> None:
    change(database, f"CREATE DATABASE {PREFIX}1_ab")

    operator("verify")

    assert value(database, SCRATCHES) == 0


def test_what_another_run_uses_is_left_alone(operator: Operator, database: Database) -> None:
    name = f"{PREFIX}1_cd"
    change(database, f"CREATE DATABASE {name}")
    with session(database, name):
        operator("verify")
        assert value(database, SCRATCHES) == 1
    operator("verify")

    assert value(database, SCRATCHES) == 0


def test_a_table_that_somebody_holds_does_not_hold_the_question(
    operator: Operator, database: Database
) -> None:
    with session(database, "psql") as holder:
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE goose_db_version")

        code, out, err = operator("verify")

    assert (code, out) == (2, "")
    assert "lock timeout" in err


def test_what_a_no_says_to_type_makes_the_schema_whole(
    operator: Operator, database: Database
) -> None:
    change(database, "ALTER TABLE users ADD CONSTRAINT short CHECK (email <> '') NOT VALID")
    change(database, "CREATE INDEX broken ON users (email)")
    change(
        database,
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'broken'::regclass",
    )

    code, told = operator.ask("verify")

    assert code == 1
    assert told["next"][:2] == [
        "REINDEX INDEX CONCURRENTLY broken;",
        "ALTER TABLE users VALIDATE CONSTRAINT short;",
    ]
    change(database, *told["next"][:2])
    names = {each["name"]: each["says"] for each in operator.ask("verify")[1]["checks"]}
    assert names["every index is valid"] == names["every constraint is validated"] == "yes"


def test_where_no_statement_mends_it_a_no_says_where_to_look(
    operator: Operator, database: Database
) -> None:
    change(database, "ALTER TABLE users ALTER email DROP NOT NULL")

    code, told = operator.ask("verify")

    assert (code, told["next"]) == (1, ["chirps migrate status --track base"])
