"""A connection for questions: it cannot change anything and does not queue behind a lock.

A question is asked when something hangs, so it must not hang itself, nor let others wait behind it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.errors import InsufficientPrivilege

from lab.chirps.admin import CONNECT_S, away, one_line
from lab.chirps.errors import CannotTell
from lab.chirps.settings import Settings
from lab.goose import GooseError

Connection = psycopg.Connection[Any]

AS_OWNER = "ask as the role that owns the tables"
OPTIONS = (
    "-c timezone=UTC -c default_transaction_read_only=on "
    "-c lock_timeout=2s -c statement_timeout=30s"
)


@contextmanager
def ask(asked: Settings) -> Iterator[Connection]:
    """Give a connection in autocommit mode that only reads.

    Raises CannotTell for all that keeps the answer away: no database, no right, a lock.
    """
    try:
        connection = psycopg.connect(
            **asked.database,  # type: ignore[arg-type] # libpq's keywords
            application_name=f"chirps-ask/{asked.release}/{asked.pod}",
            connect_timeout=CONNECT_S,
            options=OPTIONS,
            autocommit=True,
        )
    except psycopg.Error as error:
        raise away(asked, error) from error
    with connection, told("the database gave no answer"):
        yield connection


@contextmanager
def told(what: str) -> Iterator[None]:
    """Raise CannotTell for what PostgreSQL or goose says."""
    try:
        yield
    except InsufficientPrivilege as error:
        raise CannotTell(f"{one_line(error)}; {AS_OWNER}") from error
    except psycopg.Error as error:
        raise CannotTell(f"{what}: {one_line(error)}") from error
    except GooseError as error:
        is_right = getattr(error, "sqlstate", None) == InsufficientPrivilege.sqlstate
        raise CannotTell(f"{error}; {AS_OWNER}" if is_right else str(error)) from error
