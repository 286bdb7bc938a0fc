"""Two developers, two files, one column: what becomes of it is up to who runs last."""

from collections.abc import Iterator

import psycopg
import pytest

from lab import goose
from lab.chirps import migrate
from lab.postgres import Server
from tests.chirps.replay import Connection, fill, snapshot, up
from tests.postgres import Database, fresh_database, new_database, postgres  # noqa: F401 - fixtures

LONG_NAME = """INSERT INTO users (email, display_name)
VALUES ('long@example.com', repeat('x', 200))"""


@pytest.fixture
def production(fresh_database: Database) -> Iterator[Connection]:  # noqa: F811 - a fixture
    """Schema 5 with rows."""
    with fresh_database.connect() as connection:
        up(connection, "base")
        fill(connection)
        yield connection


@pytest.fixture
def pipeline(postgres: Server) -> Iterator[Connection]:  # noqa: F811 - a fixture
    """A database that is made anew for each run of the tests, so that files run by number."""
    with new_database(postgres) as database, database.connect() as connection:
        yield connection


def apply_late(connection: Connection, track: str) -> None:
    """Ship the younger file, and then what is missing."""
    up(connection, "order-text-first")
    goose.up(connection, migrate.collect(track), options=goose.Options(allow_missing=True))


def test_alone_or_in_the_order_of_their_numbers_files_make_one_schema(
    production: Connection, pipeline: Connection
) -> None:
    up(production, "order-varchar-first")
    up(production, "order-merged")
    up(pipeline, "order-merged")

    assert snapshot(production) == snapshot(pipeline)


@pytest.mark.parametrize("track", ["order-merged", "order-repaired"])
def test_a_file_that_is_merged_late_is_refused(track: str, production: Connection) -> None:
    up(production, "order-text-first")

    with pytest.raises(goose.OutOfOrder, match="20260401090000_display_name_varchar140"):
        up(production, track)


def test_files_that_are_renumbered_after_they_were_applied_are_refused(
    production: Connection,
) -> None:
    up(production, "order-merged")

    with pytest.raises(goose.OutOfOrder, match="00006_display_name_varchar140"):
        up(production, "order-renumbered")


def test_a_late_file_makes_another_schema_where_it_comes_last(
    production: Connection, pipeline: Connection
) -> None:
    apply_late(production, "order-merged")
    up(pipeline, "order-merged")

    assert snapshot(production) != snapshot(pipeline)
    pipeline.execute(LONG_NAME)
    with pytest.raises(psycopg.errors.StringDataRightTruncation):
        production.execute(LONG_NAME)


def test_a_repair_makes_one_schema_of_both(production: Connection, pipeline: Connection) -> None:
    apply_late(production, "order-repaired")
    up(pipeline, "order-repaired")

    assert snapshot(production) == snapshot(pipeline)
    production.execute(LONG_NAME)
