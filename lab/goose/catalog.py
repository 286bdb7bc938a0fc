"""What do tables, locks and counters of a database look like at this moment?

All queries leave out what belongs to PostgreSQL itself.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lab.goose.table import Connection

# From the weakest to the strongest; PostgreSQL 18, 13.3.1 Table-Level Locks.
MODES = (
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
)
KINDS = {
    "r": "table",
    "p": "partitioned table",
    "i": "index",
    "I": "partitioned index",
    "S": "sequence",
    "v": "view",
    "m": "materialized view",
    "f": "foreign table",
    "c": "type",
}
HAVE_ROWS = ("table", "materialized view")
RELATIONS = """
    SELECT c.oid, c.oid::regclass::text, c.relkind, c.relfilenode FROM pg_class AS c
    WHERE c.relnamespace NOT IN (
        SELECT oid FROM pg_namespace
        WHERE nspname IN ('pg_catalog', 'information_schema') OR nspname ~ '^pg_(toast|temp)'
    )
"""
LOCKS = """
    SELECT relation, mode FROM pg_locks
    WHERE pid = pg_backend_pid() AND locktype = 'relation' AND granted
"""
# Of the transaction that is open; what it has not committed is nowhere else.
COUNTS_OF_TRANSACTION = """
    SELECT relid, n_tup_ins, n_tup_upd, n_tup_del, seq_scan FROM pg_stat_xact_user_tables
"""
COUNTS_OF_ALL = "SELECT relid, n_tup_ins, n_tup_upd, n_tup_del, seq_scan FROM pg_stat_user_tables"
FLUSH = "SELECT pg_stat_force_next_flush()"


@dataclass(frozen=True, slots=True)
class Relation:
    """`name` as this session would write it; `storage` is another number after a rewrite."""

    oid: int
    name: str
    kind: str
    storage: int


@dataclass(frozen=True, slots=True)
class RelationLock:
    """`mode` is what pg_locks calls it."""

    relation: str
    kind: str
    mode: str


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows that were touched, and scans of a whole table."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    scans: int = 0

    def since(self, before: "Counts") -> "Counts":
        return Counts(
            self.inserted - before.inserted,
            self.updated - before.updated,
            self.deleted - before.deleted,
            self.scans - before.scans,
        )


def relations(connection: Connection) -> dict[int, Relation]:
    return {
        oid: Relation(oid, name, KINDS.get(kind, kind), storage)
        for oid, name, kind, storage in connection.execute(RELATIONS)
    }


def own_locks(connection: Connection) -> frozenset[tuple[int, str]]:
    """Return (relation, mode) for each lock of this session."""
    return frozenset(connection.execute(LOCKS).fetchall())


def counts(connection: Connection, *, in_transaction: bool) -> dict[int, Counts]:
    """Return what was counted, of the open transaction or of all that are committed."""
    if not in_transaction:
        # Counters are told to the server once a second, unless it is asked for.
        connection.execute(FLUSH)
    query = COUNTS_OF_TRANSACTION if in_transaction else COUNTS_OF_ALL
    return {relid: Counts(*row) for relid, *row in connection.execute(query)}


def strongest(locks: Iterable[RelationLock]) -> tuple[RelationLock, ...]:
    """Return the strongest lock of each relation, the strongest first, then by name."""
    found: dict[str, RelationLock] = {}
    for lock in locks:
        known = found.setdefault(lock.relation, lock)
        if MODES.index(lock.mode) > MODES.index(known.mode):
            found[lock.relation] = lock
    return tuple(sorted(found.values(), key=lambda lock: (-MODES.index(lock.mode), lock.relation)))


def named(
    locks: Iterable[tuple[int, str]], known: Mapping[int, Relation]
) -> tuple[RelationLock, ...]:
    """Return the strongest of the locks on what is `known`."""
    return strongest(
        RelationLock(known[oid].name, known[oid].kind, mode) for oid, mode in locks if oid in known
    )
