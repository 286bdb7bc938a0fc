"""Which locks do these processes hold or want, in words?"""

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from psycopg.rows import class_row

from lab.chirps.operator.asking import Connection

# CRC32 of "goose": the key of its session lock, github.com/pressly/goose/v3/lock.
GOOSE_LOCK = 4097083626

# A lock on a transaction is how one waits for a row; one on a virtual transaction is how CREATE
# INDEX CONCURRENTLY waits for those who still see the table without it.
# https://www.postgresql.org/docs/18/view-pg-locks.html
SELECT = """
SELECT pid, mode, granted,
       CASE locktype
           WHEN 'relation' THEN coalesce(relation::regclass::text, 'a relation')
           WHEN 'advisory' THEN 'advisory lock ' || CASE objsubid
               WHEN 1 THEN ((classid::bigint << 32) | objid::bigint)::text
               ELSE classid || ',' || objid END
           WHEN 'transactionid' THEN 'rows written by transaction ' || transactionid
           WHEN 'virtualxid' THEN 'the end of transaction ' || virtualxid
           WHEN 'tuple' THEN 'a row of ' || relation::regclass
           ELSE locktype
       END AS target
FROM pg_locks
WHERE (database = (SELECT oid FROM pg_database WHERE datname = current_database())
       OR coalesce(database, 0) = 0)
"""


@dataclass(frozen=True, slots=True)
class Lock:
    """`target` is a table, or words for what else is locked; `mode` as pg_locks has it."""

    pid: int
    mode: str
    granted: bool
    target: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def read_locks(connection: Connection) -> tuple[Lock, ...]:
    with connection.cursor(row_factory=class_row(Lock)) as cursor:
        return tuple(cursor.execute(SELECT).fetchall())


def wanted_by(pid: int, locks: Iterable[Lock]) -> Lock | None:
    """A process waits for one lock at a time."""
    return next((lock for lock in locks if lock.pid == pid and not lock.granted), None)


def held_on(targets: Collection[str], pid: int, locks: Iterable[Lock]) -> tuple[Lock, ...]:
    return tuple(
        lock for lock in locks if lock.pid == pid and lock.granted and lock.target in targets
    )


def goose_lock_holders(locks: Iterable[Lock]) -> tuple[int, ...]:
    """Return who holds goose's lock; who polls for it does not show as waiting."""
    target = f"advisory lock {GOOSE_LOCK}"
    return tuple(lock.pid for lock in locks if lock.target == target and lock.granted)
