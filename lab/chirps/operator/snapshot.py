"""What is the schema of a database, so that two can be compared?

Every object with its definition as PostgreSQL itself writes it, from one look at the catalog.
Left out is what migrations do not decide: owners, rights, rows, statistics, the tables that keep
versions, what belongs to an extension, and the order of columns, which a program that names its
columns does not see and which a Down that puts one back cannot restore.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from psycopg.rows import class_row

from lab.chirps.operator.asking import Connection

Snapshot = Mapping[str, str]
"""`table public.chirps` -> its definition."""

# With an empty path every name comes with its schema, whatever the role's path is.
BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
PATH = "SET LOCAL search_path = ''"

# Each part gives kind, name and definition. `spaces` are the schemas of people.
SPACES = r"""
WITH spaces AS (
    SELECT oid, nspname FROM pg_catalog.pg_namespace
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
), owned AS (
    SELECT classid, objid FROM pg_catalog.pg_depend WHERE deptype = 'e'
), relations AS (
    SELECT c.*, s.nspname || '.' || c.relname AS name
    FROM pg_catalog.pg_class AS c JOIN spaces AS s ON s.oid = c.relnamespace
    WHERE NOT EXISTS (
        SELECT FROM owned WHERE classid = 'pg_catalog.pg_class'::regclass AND objid = c.oid
    ) AND c.relname <> ALL (%(but)s)
)
"""
PARTS = {
    "schema": "SELECT nspname AS name, '' AS definition FROM spaces",
    "extension": "SELECT extname AS name, extversion AS definition FROM pg_catalog.pg_extension",
    "table": """
SELECT name, pg_catalog.concat_ws(' ', 'kind ' || relkind::text,
    'persistence ' || relpersistence::text,
    'partitioned ' || pg_catalog.pg_get_partkeydef(oid), pg_catalog.pg_get_expr(relpartbound, oid),
    CASE WHEN relrowsecurity THEN 'row security' END, reloptions::text,
    (SELECT 'inherits ' || pg_catalog.string_agg(inhparent::regclass::text, ',' ORDER BY inhseqno)
     FROM pg_catalog.pg_inherits WHERE inhrelid = relations.oid)) AS definition
FROM relations WHERE relkind IN ('r', 'p', 'f', 'c')""",
    "view": """
SELECT name, reloptions::text || pg_catalog.pg_get_viewdef(oid) AS definition
FROM (SELECT name, oid, coalesce(reloptions, '{}') AS reloptions
      FROM relations WHERE relkind IN ('v', 'm')) AS views""",
    "column": """
SELECT r.name || '.' || a.attname AS name, pg_catalog.concat_ws(' ',
    pg_catalog.format_type(a.atttypid, a.atttypmod),
    CASE WHEN a.attnotnull THEN 'NOT NULL' END,
    CASE WHEN a.attcollation <> t.typcollation THEN 'COLLATE ' || a.attcollation::regcollation END,
    'identity ' || NULLIF(a.attidentity::text, ''),
    'generated ' || NULLIF(a.attgenerated::text, ''),
    'DEFAULT ' || pg_catalog.pg_get_expr(d.adbin, d.adrelid)) AS definition
FROM relations AS r
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE r.relkind IN ('r', 'p', 'f', 'v', 'm', 'c')""",
    "constraint": """
SELECT r.name || '.' || k.conname AS name,
    pg_catalog.pg_get_constraintdef(k.oid)
    || CASE WHEN k.convalidated THEN '' ELSE ' (not validated)' END AS definition
FROM pg_catalog.pg_constraint AS k JOIN relations AS r ON r.oid = k.conrelid""",
    "index": """
SELECT s.nspname || '.' || c.relname AS name, pg_catalog.pg_get_indexdef(i.indexrelid)
    || CASE WHEN i.indisvalid THEN '' ELSE ' (invalid)' END AS definition
FROM pg_catalog.pg_index AS i
JOIN relations AS r ON r.oid = i.indrelid
JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
JOIN spaces AS s ON s.oid = c.relnamespace""",
    "sequence": """
SELECT r.name, pg_catalog.concat_ws(' ', q.seqtypid::regtype, q.seqstart, q.seqincrement,
    q.seqmin, q.seqmax, q.seqcache, q.seqcycle) AS definition
FROM relations AS r JOIN pg_catalog.pg_sequence AS q ON q.seqrelid = r.oid
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS u
    JOIN pg_catalog.pg_class AS o ON o.oid = u.refobjid
    WHERE u.objid = r.oid AND u.deptype = 'i' AND o.relname = ANY (%(but)s))""",
    "function": """
SELECT p.oid::regprocedure::text AS name, pg_catalog.pg_get_functiondef(p.oid) AS definition
FROM pg_catalog.pg_proc AS p JOIN spaces AS s ON s.oid = p.pronamespace
WHERE p.prokind <> 'a' AND NOT EXISTS (
    SELECT FROM owned WHERE classid = 'pg_catalog.pg_proc'::regclass AND objid = p.oid)""",
    "trigger": """
SELECT r.name || '.' || t.tgname AS name,
    pg_catalog.pg_get_triggerdef(t.oid) || ' ' || t.tgenabled::text AS definition
FROM pg_catalog.pg_trigger AS t JOIN relations AS r ON r.oid = t.tgrelid
WHERE NOT t.tgisinternal""",
    "rule": """
SELECT r.name || '.' || w.rulename AS name, pg_catalog.pg_get_ruledef(w.oid) AS definition
FROM pg_catalog.pg_rewrite AS w JOIN relations AS r ON r.oid = w.ev_class
WHERE w.rulename <> '_RETURN'""",
    "policy": """
SELECT r.name || '.' || p.polname AS name, pg_catalog.concat_ws(' ', p.polcmd::text,
    p.polpermissive, pg_catalog.pg_get_expr(p.polqual, p.polrelid),
    pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)) AS definition
FROM pg_catalog.pg_policy AS p JOIN relations AS r ON r.oid = p.polrelid""",
    "type": """
SELECT s.nspname || '.' || t.typname AS name, pg_catalog.concat_ws(' ', t.typtype::text,
    (SELECT pg_catalog.string_agg(pg_catalog.quote_literal(e.enumlabel), ','
        ORDER BY e.enumsortorder) FROM pg_catalog.pg_enum AS e WHERE e.enumtypid = t.oid),
    (SELECT pg_catalog.string_agg(pg_catalog.pg_get_constraintdef(k.oid), ' ' ORDER BY k.conname)
        FROM pg_catalog.pg_constraint AS k WHERE k.contypid = t.oid),
    CASE WHEN t.typbasetype <> 0 THEN pg_catalog.format_type(t.typbasetype, t.typtypmod) END,
    t.typdefault) AS definition
FROM pg_catalog.pg_type AS t JOIN spaces AS s ON s.oid = t.typnamespace
WHERE t.typtype IN ('e', 'd') AND NOT EXISTS (
    SELECT FROM owned WHERE classid = 'pg_catalog.pg_type'::regclass AND objid = t.oid)""",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """`expected` is None for what should not be there, `found` for what is not."""

    what: str
    expected: str | None
    found: str | None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def sentence(self) -> str:
        if self.found is None:
            return f"{self.what} is not there"
        if self.expected is None:
            return f"{self.what} should not be there"
        return f"{self.what} is {self.found!r} instead of {self.expected!r}"


@dataclass(frozen=True, slots=True)
class Object:
    name: str
    definition: str


def take(connection: Connection, *, version_table: str = "goose_db_version") -> Snapshot:
    """Read all parts as of one moment; changes nothing.

    `version_table` is left out, by the last part of its name.
    """
    names = {"but": [version_table.rpartition(".")[2]]}
    connection.execute(BEGIN)
    try:
        connection.execute(PATH)
        found: dict[str, str] = {}
        with connection.cursor(row_factory=class_row(Object)) as cursor:
            for kind, part in PARTS.items():
                rows = cursor.execute((SPACES + part).encode(), names).fetchall()
                found |= {f"{kind} {each.name}": each.definition or "" for each in rows}
        return found
    finally:
        connection.execute("ROLLBACK")


def digest(snapshot: Snapshot) -> str:
    """Return the same 64 hexadecimal digits for the same schema, on every server."""
    return hashlib.sha256(json.dumps(snapshot, sort_keys=True).encode()).hexdigest()


def differences(expected: Snapshot, found: Snapshot) -> tuple[Difference, ...]:
    return tuple(compared(expected, found))


def compared(expected: Snapshot, found: Snapshot) -> Iterator[Difference]:
    for what in sorted({*expected, *found}):
        if expected.get(what) != found.get(what):
            yield Difference(what, expected.get(what), found.get(what))
