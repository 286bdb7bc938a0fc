"""Rows for a scratch database: which are taken, and what is left out."""

from collections.abc import Iterator

import pytest

from lab.chirps.operator.sample import ROWS, Key, Table, fill, parents_first
from lab.postgres import Server
from tests.chirps.operators import one
from tests.postgres import Database, new_database, postgres  # noqa: F401 - a fixture

SCHEMA = (
    "CREATE TABLE authors (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text)",
    "CREATE TABLE books (id int PRIMARY KEY, author bigint NOT NULL REFERENCES authors, "
    "sequel int REFERENCES books, double int GENERATED ALWAYS AS (id * 2) STORED)",
)
ROWS_OF_BOOKS = (
    "INSERT INTO authors (name) SELECT 'a' FROM generate_series(1, 1000)",
    # The first rows belong to authors that are not among the first.
    "INSERT INTO books SELECT n, 1001 - n FROM generate_series(1, 1000) AS n",
)


@pytest.fixture
def real(postgres: Server) -> Iterator[Database]:  # noqa: F811 - a fixture
    with new_database(postgres) as database:
        run(database, *SCHEMA)
        yield database


@pytest.fixture
def scratch(postgres: Server) -> Iterator[Database]:  # noqa: F811 - a fixture
    with new_database(postgres) as database:
        run(database, *SCHEMA)
        yield database


def run(database: Database, *statements: str) -> None:
    with database.connect() as connection:
        for statement in statements:
            connection.execute(statement.encode())


def filled(real: Database, scratch: Database, *counted: str) -> list[int]:
    """Fill, and return the number of rows of each table."""
    with real.connect() as source, scratch.connect() as target:
        fill(source, target)
        return [one(target, f"SELECT count(*) FROM {table}") for table in counted]


def test_children_are_taken_whose_parents_are_there(real: Database, scratch: Database) -> None:
    run(real, *ROWS_OF_BOOKS)

    assert filled(real, scratch, "authors", "books") == [ROWS, ROWS]


def test_a_table_that_has_rows_already_keeps_them(real: Database, scratch: Database) -> None:
    run(real, *ROWS_OF_BOOKS)
    run(scratch, "INSERT INTO authors (name) VALUES ('b')")

    assert filled(real, scratch, "authors", "books") == [1, 1]


def test_a_table_that_differs_from_the_real_one_stays_empty(
    real: Database, scratch: Database
) -> None:
    run(real, *ROWS_OF_BOOKS)
    run(scratch, "ALTER TABLE authors ADD COLUMN more text NOT NULL")

    assert filled(real, scratch, "authors", "books") == [0, 0]


def test_a_table_that_is_in_one_of_both_only_is_passed_over(
    real: Database, scratch: Database
) -> None:
    run(real, "CREATE TABLE here (id int)", *ROWS_OF_BOOKS)
    run(scratch, "CREATE TABLE there (id int)")

    assert filled(real, scratch, "authors", "there") == [ROWS, 0]


def test_parents_come_before_children_and_a_circle_in_any_order() -> None:
    tables = {oid: Table(oid, "public", str(oid), []) for oid in (1, 2, 3)}

    assert parents_first(tables, [Key(1, 2, "x", "id"), Key(2, 3, "x", "id")]) == (3, 2, 1)
    circle = [Key(1, 2, "x", "id"), Key(2, 1, "x", "id"), Key(3, 3, "x", "id")]
    assert sorted(parents_first(tables, circle)) == [1, 2, 3]
