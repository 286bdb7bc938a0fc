"""One connection for a command that works on the database and ends."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.errors import InsufficientPrivilege

from lab.chirps.errors import CannotTell, NoRight, Refused
from lab.chirps.settings import Settings

CONNECT_S = 5
AS_OWNER = "it is for the role that owns the tables"


@contextmanager
def connect(asked: Settings) -> Iterator[psycopg.Connection[Any]]:
    """Give a connection in autocommit mode, known to the server as a migration.

    What the server refuses inside becomes Refused, or NoRight for want of one; a connection that
    does not come about or is lost becomes CannotTell: then nobody here knows what was done.
    """
    try:
        connection = psycopg.connect(
            **asked.database,  # type: ignore[arg-type] # libpq's keywords
            application_name=asked.migration_name,
            connect_timeout=CONNECT_S,
            options="-c timezone=UTC",
            autocommit=True,
        )
    except psycopg.Error as error:
        raise away(asked, error) from error
    with connection:
        try:
            yield connection
        except psycopg.Error as error:
            if connection.closed:
                raise CannotTell(
                    f"the connection was lost: {one_line(error)}", next_steps=(is_ready(asked),)
                ) from error
            if isinstance(error, InsufficientPrivilege):
                raise NoRight(f"the database refused: {one_line(error)}; {AS_OWNER}") from error
            raise Refused(f"the database refused: {one_line(error)}") from error


def away(asked: Settings, error: psycopg.Error) -> CannotTell:
    """Return the error of a connection that did not come about."""
    said = f"the database does not answer: {one_line(error)}"
    return CannotTell(said, next_steps=(is_ready(asked),))


def is_ready(asked: Settings) -> str:
    """Return the command that says whether the server is there; it needs no password.

    https://www.postgresql.org/docs/18/app-pg-isready.html; what is not given is libpq's.
    """
    flags = {"host": "-h", "port": "-p", "user": "-U", "dbname": "-d"}
    given = [(flag, asked.database.get(key)) for key, flag in flags.items()]
    words = [word for flag, value in given if value for word in (flag, str(value))]
    return shlex.join(["pg_isready", *words])


def one_line(error: psycopg.Error) -> str:
    return " ".join((error.diag.message_primary or str(error)).split())
