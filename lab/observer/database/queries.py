"""What is a sample of the database?

Four short statements that wait for no lock: a sampler that queues behind the migration it
watches sees nothing. Every one is bound to `TIMEOUT_MS`.
"""

from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection, errors
from psycopg.rows import DictRow

TIMEOUT_MS = 1500
LOCK_TIMEOUT_MS = 250
CONNECT_TIMEOUT_S = 2
APPLICATION = "observer"

SETTINGS = (
    f"-c statement_timeout={TIMEOUT_MS} -c lock_timeout={LOCK_TIMEOUT_MS}"
    " -c default_transaction_read_only=on"
)

# Goose's own rule (EnsureDBVersion): of the newest rows first, the first version that was
# not taken back by a newer row. `xmin` is the transaction that wrote the row.
SCHEMA = """
SELECT version_id AS version, xmin::text AS writer,
       CASE WHEN current_setting('track_commit_timestamp')::bool AND xmin::text::bigint > 2
            THEN pg_xact_commit_timestamp(xmin) END AS committed,
       clock_timestamp() AS now
FROM goose_db_version AS entry
WHERE is_applied AND NOT EXISTS (
    SELECT FROM goose_db_version AS newer
    WHERE newer.version_id = entry.version_id AND newer.id > entry.id AND NOT newer.is_applied)
ORDER BY id DESC LIMIT 1"""

FLOOR = "SELECT compat_floor AS floor FROM chirps_schema"

SESSIONS = """
SELECT application_name AS application, coalesce(state, 'unknown') AS state,
       count(*)::int AS count
FROM pg_stat_activity WHERE backend_type = 'client backend'
GROUP BY 1, 2 ORDER BY 1, 2"""

# Who waits for a lock, since when, and for whom; and whether those wait themselves, as a
# migration does at which others queue. pg_blocking_pids looks into the lock manager and takes
# its locks, so it is asked about those only who wait.
BLOCKED = """
WITH waiting AS (
    SELECT pid, pg_blocking_pids(pid) AS by FROM pg_stat_activity WHERE wait_event_type = 'Lock'
), blocker AS (
    SELECT DISTINCT unnest(by) AS pid FROM waiting
)
SELECT (SELECT count(*)::int FROM waiting WHERE cardinality(by) > 0) AS blocked,
       (SELECT coalesce(extract(epoch FROM max(clock_timestamp() - waitstart)), 0)::float8
        FROM pg_locks WHERE NOT granted) AS longest_wait_s,
       (SELECT coalesce(json_agg(json_build_object(
            'pid', blocker.pid, 'application', application_name,
            'waits', blocker.pid IN (SELECT pid FROM waiting WHERE cardinality(by) > 0))
            ORDER BY blocker.pid), '[]')
        FROM blocker LEFT JOIN pg_stat_activity USING (pid)) AS blockers,
       (SELECT coalesce(json_agg(indexrelid::regclass::text ORDER BY 1), '[]')
        FROM pg_index WHERE NOT indisvalid) AS invalid_indexes"""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one sample found; `version` and `floor` are None where there is no such table."""

    version: DictRow | None
    floor: int | None
    sessions: list[DictRow]
    blocked: DictRow

    def as_line(self) -> dict[str, Any]:
        return {
            "schema": self.version["version"] if self.version else None,
            "floor": self.floor,
            "connections": sum(each["count"] for each in self.sessions),
            "sessions": self.sessions,
            **self.blocked,
        }


async def rows(connection: AsyncConnection[DictRow], query: str) -> list[DictRow]:
    cursor = await connection.execute(query)
    return await cursor.fetchall()


async def rows_if_table(connection: AsyncConnection[DictRow], query: str) -> list[DictRow]:
    """Return no rows where the table does not exist: a database that is new, or being reset."""
    try:
        return await rows(connection, query)
    except errors.UndefinedTable:
        return []
