"""Which releases still work with this database? Those whose number is not below its floor.

The floor is in a table of one row, and files raise it by SQL. What a file says of it in
`-- +lab floor=N` is held against the table before the file counts as applied.
"""

from collections.abc import Iterable, Set

import psycopg

from lab.goose.errors import BadFloor, FloorDiffers
from lab.goose.files import Migration
from lab.goose.names import require_table_name
from lab.goose.options import FLOOR_TABLE
from lab.goose.table import EXISTS, Connection, message_of, sql

SELECT = "SELECT compat_floor FROM {} LIMIT 2"


def read_floor(connection: Connection, table: str = FLOOR_TABLE) -> int | None:
    """Return the floor, None when there is no such table; changes nothing.

    Raises BadFloor when the table cannot be read or does not hold one number.
    """
    require_table_name(table)
    try:
        if connection.execute(EXISTS, (table,)).fetchone() != (True,):
            return None
        rows = connection.execute(sql(SELECT, table), ()).fetchall()
    except psycopg.Error as exc:
        reason = f"table {table} cannot be read: {message_of(exc)}"
        raise BadFloor(reason, sqlstate=exc.sqlstate) from exc
    if len(rows) != 1 or rows[0][0] is None:
        raise BadFloor(f"table {table} must hold one floor, not {len(rows) or 'none'}")
    return int(rows[0][0])


def declared_floor(migrations: Iterable[Migration], applied: Set[int]) -> int | None:
    """Return what the newest of the applied files that names a floor says; None if none does."""
    named = [
        (each.version, each.notes.floor)
        for each in migrations
        if each.version in applied and each.notes.floor is not None
    ]
    return max(named)[1] if named else None


def require_floor(connection: Connection, migration: Migration, table: str) -> None:
    """Raises FloorDiffers unless the floor is the one that the file names, if it names one."""
    said = migration.notes.floor
    if said is None:
        return
    try:
        found = read_floor(connection, table)
    except BadFloor as exc:
        reason = f"it says floor={said}, but {exc.message}"
        raise FloorDiffers(reason, file=migration.name) from exc
    if found != said:
        left = f"table {table} is not there" if found is None else f"the floor is {found}"
        raise FloorDiffers(f"it says floor={said}, but {left} when it ran", file=migration.name)
