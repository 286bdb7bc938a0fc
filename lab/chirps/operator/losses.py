"""What would be gone for good? Tables and columns that a file drops, and how many rows they hold.

A column is known by its table's id and its place in it, which a rename leaves as they are: so a
renamed column is not taken for a lost one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from psycopg import sql

from lab.chirps.operator.asking import Connection

COLUMNS = """
SELECT c.oid::bigint, a.attnum::int, n.nspname, c.relname, a.attname
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
"""
EXISTS = "SELECT to_regclass(%s) IS NOT NULL"

Columns = Mapping[tuple[int, int], tuple[str, str, str]]
"""(table's oid, place) -> (schema, table, column)."""


@dataclass(frozen=True, slots=True)
class Lost:
    """A column, or a whole table where `column` is None."""

    schema: str
    table: str
    column: str | None

    @property
    def name(self) -> str:
        table = self.table if self.schema == "public" else f"{self.schema}.{self.table}"
        return f"table {table}" if self.column is None else f"column {table}.{self.column}"


@dataclass(frozen=True, slots=True)
class Loss:
    """`rows` are those of the table, or those that have a value in the column."""

    what: str
    rows: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def sentence(self) -> str:
        return f"{self.what} with {self.rows} row{'' if self.rows == 1 else 's'}"


def read_columns(connection: Connection) -> Columns:
    rows = connection.execute(COLUMNS).fetchall()
    return {(oid, place): (schema, table, column) for oid, place, schema, table, column in rows}


def gone(before: Columns, after: Columns) -> tuple[Lost, ...]:
    """Return what is in `before` and no more in `after`, by its names of before."""
    return tuple(dict.fromkeys(vanished(before, after)))


def vanished(before: Columns, after: Columns) -> Iterator[Lost]:
    tables = {oid for oid, _ in after}
    for oid, place in sorted(before.keys() - after.keys()):
        schema, table, column = before[oid, place]
        yield Lost(schema, table, column if oid in tables else None)


def count(connection: Connection, lost: Lost) -> Loss:
    """Count for real: an estimate of what will be lost helps nobody."""
    table = sql.Identifier(lost.schema, lost.table)
    query = sql.SQL("SELECT count(*) FROM {}").format(table)
    if lost.column is not None:
        has_value = sql.SQL(" WHERE {} IS NOT NULL").format(sql.Identifier(lost.column))
        query += has_value
    row = connection.execute(query).fetchone()
    return Loss(lost.name, 0 if row is None else int(row[0]))
