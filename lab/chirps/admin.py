"""One connection for a command that works on the database and ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from lab.chirps.errors import CannotTell, Refused
from lab.chirps.settings import Settings

CONNECT_S = 5


@contextmanager
def connect(asked: Settings) -> Iterator[psycopg.Connection[Any]]:
    """Give a connection in autocommit mode, known to the server as a migration.

    What the server refuses inside becomes Refused; a connection that does not come about or
    is lost becomes CannotTell, because then nobody here knows what was done.
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
        raise CannotTell(f"the database does not answer: {one_line(error)}") from error
    with connection:
        try:
            yield connection
        except psycopg.Error as error:
            if connection.closed:
                raise CannotTell(f"the connection was lost: {one_line(error)}") from error
            raise Refused(f"the database refused: {one_line(error)}") from error


def one_line(error: psycopg.Error) -> str:
    return " ".join((error.diag.message_primary or str(error)).split())
