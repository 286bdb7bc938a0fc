"""What is a client told when the database says no? Never less than the database said.

    no connection within the bound (08001 where no server was reached), connection lost,
    class 08, 53300 and all of class 53,
    57P01 57P02 57P03 (shutting down, crashed, starting up)     503, Retry-After: 1
    40001 40P01 55P03 57014 (serialisation, deadlock, lock timeout, cancelled)
                                                                503, Retry-After: 1
    23505 23503 23514 (duplicate, no such user, check)          409
    everything else, first of all 42703 42P01 0A000 23502       500

503 says that the same request may succeed a moment later or on a sibling, 500 that this
program and this schema do not fit. The body always names the SQLSTATE: to mask it would hide
what there is to be learnt.
"""

from dataclasses import dataclass

import psycopg
from psycopg_pool import PoolClosed

from lab.chirps.reach import NoConnection

UNAVAILABLE_CLASSES = ("08", "53")
UNAVAILABLE = frozenset(("57P01", "57P02", "57P03"))
TRY_AGAIN = frozenset(("40001", "40P01", "55P03", "57014"))
CONFLICT = frozenset(("23505", "23503", "23514"))
RETRY_AFTER_S = 1


@dataclass(frozen=True, slots=True)
class Failure:
    status: int
    error: str
    sqlstate: str | None
    retryable: bool

    def answer(self) -> dict[str, str | bool | None]:
        return {"error": self.error, "sqlstate": self.sqlstate, "retryable": self.retryable}

    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(RETRY_AFTER_S)} if self.status == 503 else {}


def explain(error: psycopg.Error) -> Failure:
    """Return what a client is told about `error`."""
    sqlstate = error.sqlstate
    status = status_of(error, sqlstate)
    return Failure(status, _text(error), sqlstate, retryable=status == 503)


def status_of(error: psycopg.Error, sqlstate: str | None) -> int:
    if isinstance(error, NoConnection):
        return 503
    if sqlstate is None:
        # libpq has no SQLSTATE for a lost connection, and a mistake in a program has none.
        return 503 if isinstance(error, psycopg.OperationalError) else 500
    if sqlstate in UNAVAILABLE or sqlstate in TRY_AGAIN or sqlstate[:2] in UNAVAILABLE_CLASSES:
        return 503
    return 409 if sqlstate in CONFLICT else 500


def _text(error: psycopg.Error) -> str:
    """Return the server's message without the excerpt of the statement below it."""
    if isinstance(error, PoolClosed):
        return "no database connection: the pool is closed"
    return error.diag.message_primary or str(error).partition("\n")[0] or type(error).__name__
