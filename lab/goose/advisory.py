"""How are two runs kept apart? By an advisory lock of PostgreSQL, when it is asked for.

The lock is taken in the session that does the work, as goose's provider does it: the lock
goes exactly when that session goes. In a session of its own it could be lost to a broken
connection while files still run here, or outlive them. The price is that a file can drop it
(`pg_advisory_unlock_all`, `DISCARD ALL`), which is found at the end and raised.
"""

import contextlib
import time
from collections.abc import Iterator

import psycopg

from lab.goose.errors import Locked, LockLost
from lab.goose.events import OnEvent
from lab.goose.options import Lock, Options
from lab.goose.table import Connection, message_of

TRY = "SELECT pg_try_advisory_lock(%s::bigint)"
WAIT = "SELECT pg_advisory_lock(%s::bigint)"
UNLOCK = "SELECT pg_advisory_unlock(%s::bigint)"
# A lock with one 64-bit key shows its halves in two columns, and objsubid 1.
HOLDER = """
    SELECT format('process %%s, %%s', pid, coalesce(nullif(application_name, ''), 'unnamed'))
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND objsubid = 1
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND (classid::bigint << 32) | objid::bigint = %s::bigint
"""


@contextlib.contextmanager
def held(connection: Connection, options: Options, on_event: OnEvent) -> Iterator[None]:
    """Hold the lock that `options` ask for.

    Raises Locked when it is not to be had, LockLost when it was dropped meanwhile.
    """
    if options.lock is Lock.NONE:
        yield
        return
    acquire(connection, options, on_event)
    try:
        yield
    except BaseException:
        # What went wrong is said already, and a closed session has no lock.
        with contextlib.suppress(psycopg.Error):
            connection.execute(UNLOCK, (options.lock_id,))
        raise
    release(connection, options)


def acquire(connection: Connection, options: Options, on_event: OnEvent) -> None:
    begun = time.monotonic()
    with explained(options):
        if options.lock is Lock.TRY:
            poll(connection, options, on_event)
        elif not ask(connection, TRY, options):
            tell_wait(connection, options, on_event)
            ask(connection, WAIT, options)
    seconds = round(time.monotonic() - begun, 6)
    on_event({"event": "locked", "lock": options.lock_id, "seconds": seconds})


def poll(connection: Connection, options: Options, on_event: OnEvent) -> None:
    """Ask once and then `lock_tries` times more, as go-retry's WithMaxRetries counts."""
    for remaining in range(options.lock_tries, -1, -1):
        if ask(connection, TRY, options):
            return
        if remaining:
            tell_wait(connection, options, on_event, remaining=remaining)
            options.sleep(options.lock_interval_s)
    raise Locked(
        f"lock {options.lock_id} was not to be had in {options.lock_tries + 1} tries",
        holder=holder(connection, options),
    )


def ask(connection: Connection, query: str, options: Options) -> bool:
    return connection.execute(query, (options.lock_id,)).fetchone() == (True,)


def tell_wait(
    connection: Connection, options: Options, on_event: OnEvent, *, remaining: int | None = None
) -> None:
    """`remaining` is how many tries are left; None for a wait within PostgreSQL."""
    on_event(
        {
            "event": "lock_wait",
            "lock": options.lock_id,
            "holder": holder(connection, options),
            "remaining": remaining,
        }
    )


def holder(connection: Connection, options: Options) -> str | None:
    found = connection.execute(HOLDER, (options.lock_id,)).fetchone()
    return found[0] if found else None


def release(connection: Connection, options: Options) -> None:
    with explained(options):
        # For a lock that is not there PostgreSQL has a warning and `false`, but no error.
        kept = ask(connection, UNLOCK, options)
    if not kept:
        raise LockLost(f"lock {options.lock_id} was dropped while migrations ran")


@contextlib.contextmanager
def explained(options: Options) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as exc:
        reason = f"lock {options.lock_id} cannot be taken or given back: {message_of(exc)}"
        raise Locked(reason, sqlstate=exc.sqlstate) from exc
