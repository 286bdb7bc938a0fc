"""Why is there no connection? The pool only says that it waited; the server said more.

The pool connects in the background, so who waits in vain for a connection would learn
nothing but that. This keeps what the last attempt to connect ended with.

libpq gives no SQLSTATE for a connection that the server refuses, only its text. So the code
is found by that text, which is in English wherever `lc_messages` is C; the texts are those of
PostgreSQL 18, src/backend/utils/init/postinit.c, tcop/backend_startup.c and libpq/auth.c.

Where no server was reached that could refuse (connection refused, a time that ran out, a name that
is not known), the code is the client's own: 08001, sqlclient_unable_to_establish_sqlconnection
(https://www.postgresql.org/docs/18/errcodes-appendix.html). A failure without any code says
that the database had no part in it.
"""

import re
from dataclasses import dataclass
from typing import Any, Self

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from typing_extensions import override

Connection = AsyncConnection[TupleRow]

TEXTS = (
    ("53300", re.compile(r"too many clients already|too many connections for|slots are reserved")),
    ("57P03", re.compile(r"database system is|not yet accepting connections")),
    ("28P01", re.compile(r"password authentication failed")),
    ("28000", re.compile(r'role ".*" (does not exist|is not permitted)|no pg_hba\.conf entry')),
    ("3D000", re.compile(r'database ".*" does not exist')),
    ("55000", re.compile(r'database ".*" is not currently accepting connections')),
    ("42501", re.compile(r'permission denied for database ".*"')),
)
NOT_REACHED = "08001"
FATAL = re.compile(r"FATAL:\s+(.*)")


class NoConnection(psycopg.OperationalError):
    """None came free in time; `sqlstate` is the server's where it refused to make one."""

    def __init__(self, text: str, sqlstate: str | None) -> None:
        super().__init__(text)
        self.sqlstate = sqlstate


@dataclass(slots=True)
class Reach:
    """`failure` is what the last attempt to connect ended with; None when it was good.

    `is_refusal`: the server spoke, and said no.
    """

    failure: str | None = None
    is_refusal: bool = False

    @property
    def sqlstate(self) -> str | None:
        """Why there is no connection; None when there may be, or the server's words are new."""
        if self.failure is None:
            return None
        return code_of(self.failure) or (None if self.is_refusal else NOT_REACHED)

    def no_connection(self, within_s: float) -> NoConnection:
        text = f"no database connection came free within {within_s:g} s"
        if self.failure is None:
            return NoConnection(text, None)
        return NoConnection(f"{text}; connecting failed: {self.failure}", self.sqlstate)


def code_of(text: str) -> str | None:
    """Return the SQLSTATE that stands behind what the server said, None when it said nothing."""
    return next((code for code, pattern in TEXTS if pattern.search(text)), None)


def has_server_spoken(error: psycopg.Error) -> bool:
    return FATAL.search(str(error)) is not None


def reason_in(error: psycopg.Error) -> str:
    """Return the server's own words when it spoke, else libpq's first line."""
    said = FATAL.search(str(error))
    return said[1] if said else str(error).partition("\n")[0]


def connection_class(reach: Reach) -> type[Connection]:
    """Return connections that tell `reach` how connecting ended."""

    class Noted(AsyncConnection[TupleRow]):
        @classmethod
        @override
        async def connect(cls, *args: Any, **keywords: Any) -> Self:
            try:
                connection = await super().connect(*args, **keywords)
            except psycopg.Error as error:
                reach.failure, reach.is_refusal = reason_in(error), has_server_spoken(error)
                raise
            reach.failure, reach.is_refusal = None, False
            return connection

    return Noted
