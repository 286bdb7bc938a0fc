"""The schema version as a pod last saw it."""

import psycopg
import pytest

from lab.chirps.schema import Schema, refresh
from tests.chirps.service import PreparedDatabase, ask, make_state, run


def test_the_version_is_unknown_until_it_was_seen() -> None:
    assert (Schema().header, Schema().age_s(10)) == ("", None)


def test_the_last_version_stays_while_the_database_is_gone() -> None:
    schema = Schema()
    run(refresh(schema, PreparedDatabase([(5,)])))
    seen = schema.seen

    run(refresh(schema, PreparedDatabase(psycopg.OperationalError("gone"))))

    assert (schema.version, schema.seen) == (5, seen)
    assert schema.age_s(seen + 3) == 3  # type: ignore[operator]


def test_a_database_without_migrations_has_no_version() -> None:
    schema = Schema()
    run(refresh(schema, PreparedDatabase(psycopg.errors.UndefinedTable("no such table"))))
    run(refresh(schema, PreparedDatabase([(None,)])))

    assert schema.version is None


def test_a_version_can_go_down_again() -> None:
    schema = Schema()
    for version in (6, 5):
        run(refresh(schema, PreparedDatabase([(version,)])))

    assert schema.header == "5"


def test_a_mistake_in_the_program_is_not_taken_for_a_database_that_is_gone() -> None:
    with pytest.raises(ZeroDivisionError):
        run(refresh(Schema(), PreparedDatabase(ZeroDivisionError())))


def test_version_tells_what_is_needed_known_and_there() -> None:
    state = make_state()
    state.schema.learn(6, 0)

    told = ask(state, "GET", "/version").json()

    assert told.pop("schema_age_s") > 0
    assert told == {
        "release": "v1b",
        "code": "v1",
        "number": 1,
        "required_schema": 5,
        "known_schema": 5,
        "schema": 6,
    }
