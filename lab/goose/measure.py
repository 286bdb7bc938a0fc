"""What does a file lock, rewrite and touch? Measured, never guessed from its text.

The file is run on a scratch database that nobody else uses, whose schema is that before the
file. In a transaction all locks are kept to its end, so after each statement pg_locks shows
what it added; a lock that an earlier statement of the file took is not listed again, and is
held on. Outside of a transaction the tables are closed beforehand (`lab.goose.blockade`).

What a file does can depend on the rows that are there: on an empty table a loop that copies in
batches ends before its first UPDATE, and takes no lock but that of reading. Put rows in first.

Not seen: what constraints that are deferred do at COMMIT. What is in one block with a COMMIT
of a transaction is not `certain`. TRUNCATE within a DO block counts as a rewrite.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from lab.goose import catalog, commands
from lab.goose.blockade import Seen, observe
from lab.goose.catalog import HAVE_ROWS, MODES, Counts, Relation, RelationLock, named, strongest
from lab.goose.events import ignore
from lab.goose.fileruns import FileRun, send
from lab.goose.files import Migration
from lab.goose.options import DEFAULTS, Lock, Options
from lab.goose.parse import Direction, Script, Statement
from lab.goose.table import Connection
from lab.goose.timeouts import in_ms, limited

TRUNCATE = "TRUNCATE TABLE"
ENDS_TRANSACTION = ("COMMIT", "ROLLBACK", "PREPARE TRANSACTION")


class Method(StrEnum):
    """`held`: the transaction still had its locks. `blockade`: it had to ask for them."""

    HELD = "held"
    BLOCKADE = "blockade"


@dataclass(frozen=True, slots=True)
class StatementFacts:
    """`number` counts from 1. Relations are named as the session would write them.

    `waits_for` are tables whose transactions it waits for beyond a lock, and `older
    snapshots`: of any transaction at all.
    """

    number: int
    line: int
    method: Method
    certain: bool
    locks: tuple[RelationLock, ...]
    rewritten: tuple[str, ...]
    truncated: tuple[str, ...]
    scanned: tuple[str, ...]
    rows: Mapping[str, int]
    waits_for: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileFacts:
    version: int
    file: str
    direction: Direction
    in_transaction: bool
    statements: tuple[StatementFacts, ...]

    @property
    def locks(self) -> tuple[RelationLock, ...]:
        """The strongest on each relation, the strongest of all first."""
        return strongest(lock for each in self.statements for lock in each.locks)

    @property
    def rewritten(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for each in self.statements for name in each.rewritten))

    @property
    def rows(self) -> int:
        """How many rows were inserted, updated or deleted."""
        return sum(number for each in self.statements for number in each.rows.values())

    def as_json(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "locks": [asdict(lock) for lock in self.locks],
            "rewritten": list(self.rewritten),
            "rows": self.rows,
        }


def measure(
    connection: Connection,
    migration: Migration,
    direction: Direction = Direction.UP,
    options: Options = DEFAULTS,
) -> FileFacts:
    """Run the file on a scratch database, its version row with it, and return what it did.

    `connection` is as for `up`; more sessions like it are made where they are needed. Raises
    MigrationFailed as a run does, and GooseError when something cannot be measured.
    """
    options = replace(options, crash=None, lock=Lock.NONE)
    script = migration.script(direction, environ=options.environ)
    run = FileRun(connection, migration, direction, script, options)
    with commands.ready(connection, options, ignore), limited(connection, settings(options)):
        commands.rows_of(connection, options, ignore)
        facts = tuple(measure_all(run, script))
    return FileFacts(migration.version, migration.name, direction, script.in_transaction, facts)


def settings(options: Options) -> dict[str, str]:
    """No limit for locks, which are held back on purpose; parallel workers are other sessions."""
    limit = options.statement_timeout_s
    return {
        "lock_timeout": "0",
        "max_parallel_maintenance_workers": "0",
        "max_parallel_workers_per_gather": "0",
        **({} if limit is None else {"statement_timeout": in_ms(limit)}),
    }


def measure_all(run: FileRun, script: Script) -> list[StatementFacts]:
    if script.in_transaction:
        with run.transaction():
            facts = measure_each(run, script)
            run.write_row()
    else:
        facts = measure_each(run, script)
        run.write_row()
    return facts


def measure_each(run: FileRun, script: Script) -> list[StatementFacts]:
    return [
        measure_one(run, statement, number)
        for number, statement in enumerate(script.statements, start=1)
    ]


def measure_one(run: FileRun, statement: Statement, number: int) -> StatementFacts:
    within = is_within(run.connection)
    before = Look.at(run.connection, in_transaction=within)
    seen, tags = (held if within else blocked)(run, statement, number, before)
    after = Look.at(run.connection, in_transaction=is_within(run.connection))
    if within and not is_within(run.connection):
        # It ended the transaction: what was counted and locked in it is gone.
        after = replace(after, counts=before.counts, locks=before.locks)
    moved = before.moved_to(after)
    return StatementFacts(
        number,
        statement.line,
        Method.HELD if within else Method.BLOCKADE,
        certain=not within or len(tags) == 1 or not set(tags) & set(ENDS_TRANSACTION),
        locks=before.named(seen.locks, after) if seen.locks else before.added_until(after),
        rewritten=() if set(tags) == {TRUNCATE} else moved,
        truncated=moved if set(tags) == {TRUNCATE} else (),
        scanned=before.scanned_until(after),
        rows=before.rows_until(after),
        waits_for=tuple(sorted(seen.waits)),
    )


def is_within(connection: Connection) -> bool:
    return connection.info.transaction_status == TransactionStatus.INTRANS


def held(run: FileRun, statement: Statement, number: int, before: "Look") -> tuple[Seen, list[str]]:
    with run.explained(statement, number):
        return Seen(), tags_of(send(run.connection, statement.text))


def blocked(
    run: FileRun, statement: Statement, number: int, before: "Look"
) -> tuple[Seen, list[str]]:
    tags: list[str] = []

    def work() -> None:
        with run.explained(statement, number):
            tags.extend(tags_of(send(run.connection, statement.text)))

    seen = observe(run.connection, before.to_close(), work)
    if not run.script.in_transaction:
        run.refuse_open_transaction(statement, number)
    return seen, tags


def tags_of(cursor: psycopg.Cursor[object]) -> list[str]:
    """Return what PostgreSQL says it has done, for each command: `UPDATE 3`, `DO`."""
    tags = [cursor.statusmessage or ""]
    while cursor.nextset():
        tags.append(cursor.statusmessage or "")
    return tags


@dataclass(frozen=True, slots=True)
class Look:
    """The database before or after a statement; locks are those of the session."""

    known: Mapping[int, Relation]
    counts: Mapping[int, Counts]
    locks: frozenset[tuple[int, str]]

    @classmethod
    def at(cls, connection: Connection, *, in_transaction: bool) -> "Look":
        locks = catalog.own_locks(connection)
        counted = catalog.counts(connection, in_transaction=in_transaction)
        return cls(catalog.relations(connection), counted, locks)

    def to_close(self) -> dict[int, Relation]:
        return {
            oid: each
            for oid, each in self.known.items()
            if each.kind in ("table", "partitioned table")
        }

    def named(self, locks: Iterable[tuple[int, str]], after: "Look") -> tuple[RelationLock, ...]:
        """Return the strongest locks, of relations by the name they had before, if they had."""
        return named(locks, {**after.known, **self.known})

    def added_until(self, after: "Look") -> tuple[RelationLock, ...]:
        """Return the locks that are stronger than what was there before."""
        strength = {oid: -1 for oid, _ in after.locks}
        for oid, mode in self.locks:
            strength[oid] = max(strength.get(oid, -1), MODES.index(mode))
        new = [(oid, mode) for oid, mode in after.locks if MODES.index(mode) > strength[oid]]
        return self.named(new, after)

    def moved_to(self, after: "Look") -> tuple[str, ...]:
        """Return the tables whose storage is another one than before."""
        return tuple(
            sorted(
                each.name
                for oid, each in self.known.items()
                if each.kind in HAVE_ROWS
                and oid in after.known
                and after.known[oid].storage != each.storage
            )
        )

    def counted_until(self, after: "Look") -> dict[str, Counts]:
        names = {**after.known, **self.known}
        return {
            names[oid].name: counts.since(self.counts.get(oid, Counts()))
            for oid, counts in sorted(after.counts.items())
            if oid in names
        }

    def rows_until(self, after: "Look") -> dict[str, int]:
        found = self.counted_until(after)
        rows = {name: each.inserted + each.updated + each.deleted for name, each in found.items()}
        return {name: number for name, number in sorted(rows.items()) if number}

    def scanned_until(self, after: "Look") -> tuple[str, ...]:
        """Return the tables that were there before and were read from end to end."""
        names = {each.name for each in self.known.values()}
        found = self.counted_until(after)
        return tuple(sorted(name for name, each in found.items() if each.scans and name in names))
