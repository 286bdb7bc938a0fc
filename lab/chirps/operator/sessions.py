"""Who is connected, what are they doing, and whom do they wait for?"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from psycopg.rows import class_row

from lab.chirps.operator.asking import Connection
from lab.chirps.operator.identity import Identity, Kind, identify

# What PostgreSQL shows instead of a query that one may not see; state and address are null then.
# https://www.postgresql.org/docs/18/monitoring-stats.html
HIDDEN = "<insufficient privilege>"

# pg_blocking_pids looks through the whole lock table with a lock on it, so only for those who wait.
SELECT = """
SELECT activity.pid,
       coalesce(activity.application_name, '') AS application_name,
       activity.usename AS role,
       host(activity.client_addr) AS address,
       activity.datname = current_database() AS is_here,
       activity.backend_type AS backend,
       activity.state,
       extract(epoch FROM clock_timestamp() - activity.state_change)::float8 AS state_s,
       extract(epoch FROM clock_timestamp() - activity.query_start)::float8 AS query_s,
       extract(epoch FROM clock_timestamp() - activity.xact_start)::float8 AS transaction_s,
       activity.query_start::text AS query_start,
       coalesce(activity.query, '') AS query,
       activity.backend_xid IS NOT NULL AS has_written,
       CASE WHEN EXISTS (SELECT FROM pg_locks WHERE pid = activity.pid AND NOT granted)
            THEN pg_blocking_pids(activity.pid) ELSE '{}' END AS blocked_by
FROM pg_stat_activity AS activity
WHERE activity.pid <> pg_backend_pid()
ORDER BY activity.pid
"""
LONGEST_QUERY = 100


@dataclass(frozen=True, slots=True)
class Session:
    """One row of pg_stat_activity; times are seconds until now.

    `has_written` means that its transaction has an id, which it gets with its first write or row
    lock. `is_here` is None for a process that belongs to no database. `blocked_by` may name one
    process several times, and 0 for a prepared transaction.
    """

    pid: int
    application_name: str
    role: str | None
    address: str | None
    is_here: bool | None
    backend: str | None
    state: str | None
    state_s: float | None
    query_s: float | None
    transaction_s: float | None
    query_start: str | None
    query: str
    has_written: bool
    blocked_by: list[int]

    @property
    def identity(self) -> Identity:
        return identify(self.application_name, self.role)

    @property
    def is_hidden(self) -> bool:
        return self.query == HIDDEN

    @property
    def name(self) -> str:
        """Who it is, in words: `release v1 in pod chirps-7d9f-abcde`."""
        who = self.identity
        if who.kind is Kind.SERVICE:
            return f"release {who.release}" + (f" in pod {who.pod}" if who.pod else "")
        if who.kind is Kind.MIGRATION:
            return f"a migration by release {who.release} in pod {who.pod}"
        if who.kind is Kind.QUESTION:
            return f"a question by release {who.release} in pod {who.pod}"
        return self.application_name or self.backend or "unnamed"

    @property
    def doing(self) -> str:
        """What it does and since when: `idle in transaction for 42 s, last: SELECT 1`."""
        if self.is_hidden:
            return "what it does is hidden from this role"
        if self.state is None:
            return "in the background"
        since = seconds(self.query_s if self.state == "active" else self.state_s)
        verb = "" if self.state == "active" else "last: "
        return f"{self.state} for {since}, {verb}{shortened(self.query)}"

    def as_json(self) -> dict[str, Any]:
        who = self.identity
        told = {**asdict(self), "kind": str(who.kind), "release": who.release, "pod": who.pod}
        if self.is_hidden:
            told |= {"query": None, "has_written": None}
        return told


def read_sessions(connection: Connection) -> tuple[Session, ...]:
    """Return everybody but this connection itself, of all databases."""
    with connection.cursor(row_factory=class_row(Session)) as cursor:
        return tuple(cursor.execute(SELECT).fetchall())


def by_pid(sessions: Iterable[Session]) -> Mapping[int, Session]:
    return {session.pid: session for session in sessions}


def seconds(value: float | None) -> str:
    return "an unknown time" if value is None else f"{max(value, 0):.0f} s"


def shortened(query: str) -> str:
    """One line, and no more of it than one reads."""
    line = " ".join(query.split())
    return line if len(line) <= LONGEST_QUERY else f"{line[:LONGEST_QUERY]}…"
