"""Fill an empty database with users and chirps: always the same ones, in a few seconds.

Five hot authors, users 1 to 5, have up to HOT_CHIRPS chirps each, spread over all: who lists
them meets old and new rows. Everybody else shares the rest. All users have the password
`lab`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from lab import goose
from lab.chirps.admin import connect
from lab.chirps.errors import Refused
from lab.chirps.passwords import hash_password
from lab.chirps.settings import Settings

SCHEMA = 5
HOT_AUTHORS = 5
HOT_CHIRPS = 200
PASSWORD = "lab"  # noqa: S105 - public on purpose

USERS = """INSERT INTO users (id, email, password, is_member, created_at)
SELECT n, format('user%%s@example.com', n), %(password)s, n %% 10 = 0,
    timestamptz '2026-01-01 00:00:00+00' + n * interval '1 second'
FROM generate_series(1, %(users)s) AS n"""

# Every stride-th chirp is a hot author's, until each has its share. 7919 is a prime: it
# spreads the others over all users without chance.
CHIRPS = """INSERT INTO chirps (id, author_id, body, created_at)
SELECT n,
    CASE WHEN n %% %(stride)s = 0 AND n / %(stride)s <= %(hot)s
        THEN 1 + n / %(stride)s %% %(hot_authors)s
        ELSE %(hot_authors)s + 1 + n * 7919 %% (%(users)s - %(hot_authors)s)
    END,
    format('chirp %%s: %%s', n, (ARRAY[
        'the deploy went out before lunch and nobody noticed',
        'who else is awake? the dashboard is green and the phone rings',
        'read the error twice, then the change, then the error again',
        'it works, and now I would like to know why',
        'a rollback is a deploy of something you have seen break before'
    ])[1 + n %% 5]),
    timestamptz '2026-02-01 00:00:00+00' + n * interval '1 second'
FROM generate_series(1::bigint, %(chirps)s) AS n"""

IS_EMPTY = "SELECT NOT EXISTS (SELECT FROM users) AND NOT EXISTS (SELECT FROM chirps)"
FOREIGN_KEYS = """SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE conrelid = 'chirps'::regclass AND contype = 'f'"""
CONTINUE = """SELECT setval(
    pg_get_serial_sequence({name}, 'id'), coalesce(max(id), 0) + 1, false
) FROM {table}"""


def seed(asked: Settings, *, users: int, chirps: int, if_empty: bool) -> bool:
    """Fill the database in one transaction; return False when it was filled already.

    Raises Refused when it is filled and `if_empty` was not said, or on another schema.
    """
    with connect(asked) as connection:
        check_schema(connection)
        if not is_empty(connection):
            if if_empty:
                return False
            raise Refused("the database has users or chirps already; --if-empty leaves them alone")
        with connection.transaction(), unchecked(connection):
            fill(connection, users=users, chirps=chirps)
        # So that the first reader neither guesses a plan nor writes hint bits.
        connection.execute("VACUUM (ANALYZE) users, chirps")
        return True


def check_schema(connection: psycopg.Connection[Any]) -> None:
    try:
        version = goose.current_version(connection)
    except goose.GooseError as error:
        raise Refused(str(error)) from error
    if version != SCHEMA:
        raise Refused(f"the schema has version {version}; what is seeded belongs to {SCHEMA}")


def is_empty(connection: psycopg.Connection[Any]) -> bool:
    return connection.execute(IS_EMPTY).fetchone() == (True,)


@contextmanager
def unchecked(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Take away the foreign keys of chirps and put them back, which checks all rows at once.

    Checked one by one, three hundred thousand rows take most of the time.
    """
    keys = connection.execute(FOREIGN_KEYS).fetchall()
    for name, _ in keys:
        drop = sql.SQL("ALTER TABLE chirps DROP CONSTRAINT {}")
        connection.execute(drop.format(sql.Identifier(name)))
    yield
    for name, definition in keys:
        add = sql.SQL("ALTER TABLE chirps ADD CONSTRAINT {} {}")
        connection.execute(add.format(sql.Identifier(name), sql.SQL(definition)))


def fill(connection: psycopg.Connection[Any], *, users: int, chirps: int) -> None:
    hot = min(HOT_AUTHORS * HOT_CHIRPS, chirps // 10)
    given = {
        "users": users,
        "chirps": chirps,
        "password": hash_password(PASSWORD),
        "hot_authors": HOT_AUTHORS,
        "hot": hot,
        "stride": chirps // hot if hot else chirps + 1,
    }
    connection.execute(USERS, given)
    connection.execute(CHIRPS, given)
    for table in ("users", "chirps"):
        connection.execute(sql.SQL(CONTINUE).format(table=sql.Identifier(table), name=table))
