"""Which migrations are applied, and since when?"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from lab.goose.files import Migration
from lab.goose.names import require_table_name
from lab.goose.options import VERSION_TABLE
from lab.goose.table import Connection, VersionRow, read_rows


@dataclass(frozen=True, slots=True)
class StatusRow:
    """`applied_at` as PostgreSQL wrote it, without a time zone; None when it is pending."""

    version: int
    name: str
    applied_at: datetime | None


def status(
    connection: Connection, migrations: Iterable[Migration], *, table: str = VERSION_TABLE
) -> tuple[StatusRow, ...]:
    """Return one row a file; changes nothing, not even on a database without the table.

    Raises BadVersionTable when the table cannot be read.
    """
    require_table_name(table)
    rows = read_rows(connection, name=table) or ()
    return tuple(StatusRow(m.version, m.name, applied_at(m.version, rows)) for m in migrations)


def applied_at(version: int, rows: tuple[VersionRow, ...]) -> datetime | None:
    """The row written last says it."""
    own = [row for row in rows if row.version == version]
    newest = max(own, key=lambda row: row.applied_at, default=None)
    return newest.applied_at if newest is not None and newest.is_applied else None
