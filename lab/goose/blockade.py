"""Which locks does a statement take that cannot run in a transaction?

Such a statement gives its locks back before anybody can look, and who polls pg_locks may miss
them. So everything is closed to it beforehand: for each table one session holds all eight
modes, one upon the other. The statement has to wait at each table, its request is in
pg_locks until somebody opens, and then only those modes are given back that stand in its
way. What is left still stops every stronger request, with one exception (see `Guard`).

A statement that waits for other transactions to end (CREATE INDEX CONCURRENTLY) waits for
these sessions too: that is noted, another session takes the place, and the old one ends.

Not seen: locks on indexes and on tables that the statement makes itself, and locks that are
taken only if they are free (the truncation by VACUUM).
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import psycopg
from psycopg.conninfo import make_conninfo

from lab.goose.catalog import MODES, Relation
from lab.goose.errors import GooseError
from lab.goose.table import Connection, message_of

LOOK_EVERY_S = 0.002
MOST_TABLES = 60
SNAPSHOTS = "older snapshots"
# How many modes, from the weakest on, stand beside a request; from the table of conflicts in
# PostgreSQL 18, 13.3.1.
KEPT = dict(zip(MODES, (7, 6, 4, 3, 2, 2, 1, 0), strict=True))
SQL_MODES = (
    "ACCESS SHARE",
    "ROW SHARE",
    "ROW EXCLUSIVE",
    "SHARE UPDATE EXCLUSIVE",
    "SHARE",
    "SHARE ROW EXCLUSIVE",
    "EXCLUSIVE",
    "ACCESS EXCLUSIVE",
)
WAITS = """
    SELECT locktype, relation, mode, pg_blocking_pids(pid) FROM pg_locks
    WHERE pid = %s AND NOT granted
"""


@dataclass(slots=True)
class Guard:
    """One session that holds the first `level` modes of a table.

    After a request for SHARE it holds the first two, and a later one for SHARE ROW EXCLUSIVE
    would pass unseen.
    """

    connection: Connection
    table: str
    level: int = 0

    def close_up_to(self, level: int) -> None:
        """Raises psycopg.Error when somebody else has a lock that is in the way."""
        self.connection.execute("BEGIN")
        for mode in SQL_MODES[:level]:
            lock = f"LOCK TABLE {self.table} IN {mode} MODE"
            self.connection.execute(f"{lock}; SAVEPOINT level_{self.level + 1}".encode())
            self.level += 1

    def let_pass(self, mode: str) -> None:
        level = KEPT[mode]
        if level < self.level:
            back = f"ROLLBACK TO SAVEPOINT level_{level}" if level else "ROLLBACK"
            self.connection.execute(back.encode())
            self.level = level

    @property
    def pid(self) -> int:
        return self.connection.info.backend_pid


@dataclass(slots=True)
class Seen:
    """What a statement asked for: modes by relation, and whose end it waited for."""

    locks: set[tuple[int, str]] = field(default_factory=set)
    waits: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Blockade:
    """The sessions that close the tables, the one that looks, and one with an old snapshot."""

    connect: Callable[[], Connection]
    tear_down: Callable[[], None]
    watcher: Connection
    snapshot: Connection
    guards: dict[int, Guard] = field(default_factory=dict)
    seen: Seen = field(default_factory=Seen)

    def set_up(self, tables: Mapping[int, Relation]) -> None:
        self.snapshot.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
        for oid, relation in tables.items():
            guard = self.guards[oid] = Guard(self.connect(), relation.name)
            guard.close_up_to(len(SQL_MODES))

    def look(self, pid: int) -> None:
        """Open what the session `pid` waits for, if that is here."""
        for kind, relation, mode, blockers in self.watcher.execute(WAITS, (pid,)).fetchall():
            if kind == "relation" and relation in self.guards:
                self.seen.locks.add((relation, mode))
                self.guards[relation].let_pass(mode)
            elif kind == "virtualxid":
                self.end_one_of(blockers)

    def end_one_of(self, blockers: list[int]) -> None:
        if self.snapshot.info.backend_pid in blockers:
            self.seen.waits.add(SNAPSHOTS)
            self.snapshot.execute("ROLLBACK")
        for oid, guard in self.guards.items():
            if guard.pid in blockers:
                self.seen.waits.add(guard.table)
                self.guards[oid] = self.replacement(guard)
                guard.connection.close()

    def replacement(self, guard: Guard) -> Guard:
        """Return another session with the same modes, before the old one ends.

        At most the first three, which stand beside those of the old one. It has no more when
        a statement got as far as to wait for its transaction.
        """
        new = Guard(self.connect(), guard.table)
        new.close_up_to(min(guard.level, 3))
        return new


def observe(
    connection: Connection, tables: Mapping[int, Relation], work: Callable[[], None]
) -> Seen:
    """Do `work` on `connection` in a thread and return what it asked for.

    Raises what `work` raises, and GooseError when the tables cannot be closed.
    """
    if len(tables) > MOST_TABLES:
        raise GooseError(
            f"{len(tables)} tables need a session each to be measured, and {MOST_TABLES} is most"
        )
    failures: list[BaseException] = []
    thread = threading.Thread(target=catch, args=(work, failures))
    with closed(connection, tables) as blockade:
        thread.start()
        try:
            watch(blockade, thread, connection.info.backend_pid)
        except BaseException:
            connection.cancel_safe()
            raise
        finally:
            # Whatever happened here: with the tables open it comes to an end.
            blockade.tear_down()
            thread.join()
    if failures:
        raise failures[0]
    return blockade.seen


def catch(work: Callable[[], None], failures: list[BaseException]) -> None:
    """Keep what `work` raises for who joins the thread."""
    try:
        work()
    except BaseException as exc:
        failures.append(exc)


def watch(blockade: Blockade, thread: threading.Thread, pid: int) -> None:
    while thread.is_alive():
        with explained():
            blockade.look(pid)
        thread.join(LOOK_EVERY_S)


@contextlib.contextmanager
def closed(connection: Connection, tables: Mapping[int, Relation]) -> Iterator[Blockade]:
    with contextlib.ExitStack() as sessions:
        with explained():
            new = connector(connection)

            def connect() -> Connection:
                return sessions.enter_context(contextlib.closing(new()))

            blockade = Blockade(connect, sessions.close, connect(), connect())
            blockade.set_up(tables)
        yield blockade


def connector(connection: Connection) -> Callable[[], Connection]:
    """Return what makes new sessions like this one, without asking it: it will be busy."""
    conninfo = make_conninfo(
        **{**connection.info.get_parameters(), "password": connection.info.password}
    )
    path = connection.execute("SELECT current_setting('search_path')").fetchone() or ("",)

    def connect() -> Connection:
        new = psycopg.connect(conninfo, autocommit=True)
        new.execute("SELECT set_config('search_path', %s, false)", path)
        return new

    return connect


@contextlib.contextmanager
def explained() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as exc:
        raise GooseError(f"the tables cannot be closed to measure: {message_of(exc)}") from exc
