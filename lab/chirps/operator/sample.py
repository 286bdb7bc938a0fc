"""Put some real rows into a scratch database: what a file does to rows shows only on rows.

A loop over an empty table locks nothing, and a NOT NULL that rows do not bear is fine without
any. Rows are read from the real database and stay on its server. Parents come before children,
and children are taken whose parents are there.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

import psycopg
from psycopg import sql

from lab.chirps.operator.asking import Connection

ROWS = 200
TABLES = """
SELECT c.oid::bigint, n.nspname, c.relname,
       array(SELECT a.attname::text FROM pg_attribute AS a
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
               AND a.attgenerated = '' ORDER BY a.attnum) AS columns
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
"""
FOREIGN_KEYS = """
SELECT k.conrelid::bigint, k.confrelid::bigint, own.attname::text, other.attname::text
FROM pg_constraint AS k
JOIN pg_attribute AS own ON own.attrelid = k.conrelid AND own.attnum = k.conkey[1]
JOIN pg_attribute AS other ON other.attrelid = k.confrelid AND other.attnum = k.confkey[1]
WHERE k.contype = 'f' AND cardinality(k.conkey) = 1 AND k.conparentid = 0
"""


@dataclass(frozen=True, slots=True)
class Key:
    """A foreign key of one column: `column` of `child` names `other` of `parent`, by their ids."""

    child: int
    parent: int
    column: str
    other: str


@dataclass(frozen=True, slots=True)
class Table:
    oid: int
    schema: str
    name: str
    columns: list[str]

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.name)

    @property
    def column_list(self) -> sql.Composed:
        return sql.SQL(", ").join(map(sql.Identifier, self.columns))


def fill(real: Connection, scratch: Connection) -> None:
    """Copy some rows into each table of `scratch` that has none.

    A table that does not take them (it differs from the real one) stays empty.
    """
    tables = {table.oid: table for table in (Table(*row) for row in scratch.execute(TABLES))}
    keys = [Key(*row) for row in scratch.execute(FOREIGN_KEYS)]
    for oid in parents_first(tables, keys):
        own = [key for key in keys if key.child == oid and key.parent != oid]
        try:
            if is_empty(scratch, tables[oid]):
                copy(real, scratch, tables[oid], conditions(scratch, tables, own))
        except psycopg.Error:
            # What was copied of it is undone with the COPY; the others do without.
            continue


def parents_first(tables: Mapping[int, Table], keys: Iterable[Key]) -> Iterable[int]:
    """Tables that name each other in a circle come in any order, and may stay empty."""
    graph: dict[int, set[int]] = {oid: set() for oid in sorted(tables)}
    for key in keys:
        if key.parent != key.child and key.parent in tables:
            graph[key.child].add(key.parent)
    try:
        return tuple(TopologicalSorter(graph).static_order())
    except CycleError:
        return tuple(graph)


def is_empty(connection: Connection, table: Table) -> bool:
    query = sql.SQL("SELECT EXISTS (SELECT FROM {})").format(table.identifier)
    return connection.execute(query).fetchone() == (False,)


def conditions(
    scratch: Connection, tables: Mapping[int, Table], keys: Iterable[Key]
) -> Iterator[sql.Composed]:
    for key in keys:
        parent = tables[key.parent].identifier
        query = sql.SQL("SELECT {}::text FROM {}").format(sql.Identifier(key.other), parent)
        known = [value for (value,) in scratch.execute(query).fetchall()]
        column = sql.Identifier(key.column)
        yield sql.SQL("({0} IS NULL OR {0}::text = ANY ({1}))").format(column, sql.Literal(known))


def copy(
    real: Connection, scratch: Connection, table: Table, wanted: Iterable[sql.Composed]
) -> None:
    where = sql.SQL(" AND ").join([sql.SQL("true"), *wanted])
    out = sql.SQL("COPY (SELECT {} FROM {} WHERE {} LIMIT {}) TO STDOUT").format(
        table.column_list, table.identifier, where, sql.Literal(ROWS)
    )
    into = sql.SQL("COPY {} ({}) FROM STDIN").format(table.identifier, table.column_list)
    with real.cursor().copy(out) as rows, scratch.cursor().copy(into) as taken:
        for block in rows:
            taken.write(block)
