"""`can-i-rollback`: yes, no and cannot tell, on real databases."""

from collections.abc import Iterator

import pytest

from lab.chirps import releases
from lab.chirps.operator.history import RELEASES
from lab.postgres import Server
from tests.chirps.operators import Operator
from tests.chirps.real import migrate_up
from tests.postgres import Database, new_database, postgres  # noqa: F401 - a fixture


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


@pytest.mark.parametrize(
    ("track", "to", "release", "code"),
    [
        ("base", 5, "v1", 0),
        ("base", 5, "v2", 1),
        ("rename-careful", 6, "v1", 0),
        ("rename-careful", 6, "v2", 0),
        ("rename-careful", 6, "v2-naive", 1),
        ("rename-careful", 7, "v3", 1),
        ("rename-careful", 8, "v1", 1),
        ("rename-careful", 8, "v1b", 1),
        ("rename-careful", 8, "v2", 0),
        ("rename-careful", 9, "v2", 1),
        ("rename-careful", 9, "v3", 0),
        ("rename-careless", 6, "v1", 1),
        ("rename-careless", 6, "v1b", 1),
        ("rename-careless", 6, "v2-naive", 0),
        ("rename-control", 6, "v1", 0),
        ("rename-back", 6, "v1", 1),
        ("rename-back", 7, "v1", 0),
        ("rename-back", 7, "v2-naive", 1),
        ("notnull-naive", 6, "v1", 1),
        ("notnull-careful", 9, "v1", 0),
    ],
)
def test_each_release_on_each_schema(
    operator: Operator, database: Database, track: str, to: int, release: str, code: int
) -> None:
    migrate_up(database, track, to)

    assert operator("can-i-rollback", release, "--track", track)[0] == code


def test_a_no_says_why_and_what_else_may_run(operator: Operator, database: Database) -> None:
    migrate_up(database, "rename-careful", 8)

    code, out, _ = operator("can-i-rollback", "v1", "--track", "rename-careful")

    assert code == 1
    assert out.splitlines() == [
        "no: v1 cannot run on schema 8",
        "  the compat floor is 2, and its number is 1",
        "next:",
        "  roll back to one that can run: v2, v3; or go forward",
    ]


def test_a_file_that_breaks_the_release_is_named_with_its_reason(
    operator: Operator, database: Database
) -> None:
    migrate_up(database, "rename-careless")

    code, told = operator.ask("can-i-rollback", "v1", "--track", "rename-careless")

    assert code == 1
    (reason,) = told["reasons"]
    assert reason.startswith("00006_rename.sql is applied and breaks v1: ")
    assert (told["schema"], told["floor"], told["required_schema"]) == (6, 1, 5)


def test_a_version_without_a_file_leaves_it_open(operator: Operator, database: Database) -> None:
    migrate_up(database, "rename-careless")

    code, told = operator.ask("can-i-rollback", "v1", "--track", "base")

    assert code == 2
    assert (told["answer"], told["unknown"]) == ("cannot tell", [6])


def test_a_release_that_never_was_is_no_no(operator: Operator) -> None:
    code, out, err = operator("can-i-rollback", "v9")

    assert (code, out) == (2, "")
    assert err == (
        "Error: there is no release 'v9' (there are v1, v1b, v2-naive, v2, v2-lang, v3)\n"
    )


def test_an_empty_database_fits_nobody(
    postgres: Server,  # noqa: F811 - a fixture
    capsys: pytest.CaptureFixture[str],
) -> None:
    with new_database(postgres) as empty:
        code, out, _ = Operator(empty, capsys)("can-i-rollback", "v1")

    assert code == 1
    assert "it needs schema 5, the database has 0" in out
    assert out.endswith("next:\n  chirps migrate plan --track base --to 5\n")


def test_a_release_whose_schema_is_not_there_yet_is_shown_the_way_to_it(
    operator: Operator, database: Database
) -> None:
    migrate_up(database, "rename-careful", 7)

    code, told = operator.ask("can-i-rollback", "v3", "--track", "rename-careful")

    assert (code, told["next"]) == (1, ["chirps migrate plan --track rename-careful --to 8"])


def test_what_is_written_down_of_releases_is_what_their_code_says() -> None:
    assert {needs.code for needs in RELEASES.values()} == set(releases.available())
    for needs in RELEASES.values():
        code = releases.load(needs.code)
        assert (needs.number, needs.required_schema) == (code.NUMBER, code.REQUIRED_SCHEMA)
