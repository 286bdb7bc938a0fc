"""Which of the files has the database, in which order, and how low is its compat floor?"""

from collections.abc import Iterable
from dataclasses import dataclass

from lab import goose
from lab.chirps import migrate
from lab.chirps.operator.asking import Connection, told
from lab.goose import Migration, table
from lab.goose.options import VERSION_TABLE
from lab.goose.table import VersionRow


@dataclass(frozen=True, slots=True)
class Where:
    """Which files are meant, and which table says what is applied."""

    track: str
    table: str = VERSION_TABLE


@dataclass(frozen=True, slots=True)
class Applied:
    """Files of `track` against the rows of one database.

    `recorded` are the applied versions in the order of their application; a version that was
    applied twice is there twice. `floor` is None before the first file.
    """

    track: str
    files: tuple[Migration, ...]
    version: int
    recorded: tuple[int, ...]
    floor: int | None

    @property
    def done(self) -> tuple[Migration, ...]:
        """The files that are applied, in the order of their application."""
        by_version = {each.version: each for each in self.files}
        return tuple(
            by_version[version] for version in dict.fromkeys(self.recorded) if version in by_version
        )

    @property
    def pending(self) -> tuple[Migration, ...]:
        """All that are not applied, also those that are older than the newest that is."""
        return tuple(each for each in self.files if each.version not in self.recorded)

    @property
    def missing(self) -> tuple[Migration, ...]:
        """Those among the pending that goose refuses to apply."""
        newest = max(self.recorded, default=0)
        return tuple(each for each in self.pending if each.version < newest)

    @property
    def unknown(self) -> tuple[int, ...]:
        """Versions that no file here has: another track's, or a newer release's."""
        known = {each.version for each in self.files}
        return tuple(sorted(set(self.recorded) - known))

    @property
    def twice(self) -> tuple[int, ...]:
        return tuple(sorted(each for each in set(self.recorded) if self.recorded.count(each) > 1))

    def pending_to(self, to: int | None) -> tuple[Migration, ...]:
        return tuple(each for each in self.pending if to is None or each.version <= to)


def read_applied(connection: Connection, where: Where) -> Applied:
    """Look once; raises NoSuchTrack, CannotTell."""
    files = migrate.collect(where.track)
    with told("what is applied cannot be read"):
        rows = table.read_rows(connection, name=where.table)
        version = 0 if rows is None else table.current(rows, name=where.table)
        floor = goose.read_floor(connection)
    return Applied(where.track, files, version, order_of(rows or ()), floor)


def order_of(rows: Iterable[VersionRow]) -> tuple[int, ...]:
    """Return the applied versions, oldest row first; a row that says otherwise ends those before.

    `rows` are newest first. Version 0 is the row every table begins with.
    """
    taken_back: set[int] = set()
    found: list[int] = []
    for row in rows:
        if not row.is_applied:
            taken_back.add(row.version)
        elif row.version and row.version not in taken_back:
            found.append(row.version)
    return tuple(reversed(found))
