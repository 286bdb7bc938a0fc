"""Apply the files of a track one by one, take them back, and look at the schema they make."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from lab import goose
from lab.chirps import migrate
from tests.postgres import Database

Connection = psycopg.Connection[Any]
Snapshot = frozenset[tuple[str, ...]]

BASE = 5
USERS = (
    "INSERT INTO users (email) SELECT format('user%s@example.com', n) FROM generate_series(1, 9) n"
)
CHIRPS = "INSERT INTO chirps (author_id, body) SELECT 1, 'old ' || n FROM generate_series(1, 99) n"

# A column that was dropped and added again is the last one, so its position is left out.
SNAPSHOT = """
SELECT 'column', attrelid::regclass::text, attname, format_type(atttypid, atttypmod),
    attnotnull::text, pg_get_expr(adbin, adrelid)
FROM pg_attribute
JOIN pg_class ON pg_class.oid = attrelid AND relkind = 'r'
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped
UNION ALL
SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid),
    convalidated::text, NULL
FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL
SELECT 'index', indrelid::regclass::text, indexrelid::regclass::text, pg_get_indexdef(indexrelid),
    indisvalid::text, NULL
FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE relnamespace = 'public'::regnamespace
UNION ALL
SELECT 'floor', compat_floor::text, changed_by::text, NULL, NULL, NULL FROM chirps_schema
"""


@contextmanager
def no_slow_migration() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHIRPS_SLOW_MIGRATION_S", "0")
        yield


def fill(connection: Connection) -> None:
    """Add users 1 to 9 and chirps 1 to 99 of user 1 to a schema of version 5."""
    connection.execute(USERS)
    connection.execute(CHIRPS)


def up(database: Database | Connection, track: str, to: int | None = None) -> None:
    with connected(database) as connection, no_slow_migration():
        goose.up(connection, migrate.collect(track), to)


@contextmanager
def connected(database: Database | Connection) -> Iterator[Connection]:
    if isinstance(database, psycopg.Connection):
        yield database
    else:
        with database.connect() as connection:
            yield connection


def own_files(track: str) -> tuple[goose.Migration, ...]:
    """Return the files of the track itself, without those of the base."""
    return tuple(each for each in migrate.collect(track) if each.version > BASE)


def snapshot(connection: Connection) -> Snapshot:
    return frozenset(connection.execute(SNAPSHOT).fetchall())


def value(connection: Connection, statement: str) -> Any:
    row = connection.execute(statement).fetchone()
    assert row is not None
    return row[0]
