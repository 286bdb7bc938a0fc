"""Which migrations are to run on a database that has applied these versions?"""

from collections.abc import Iterable, Iterator, Set

from lab.goose.annotations import Reversible
from lab.goose.errors import NoCurrentVersion, NoMigrations, NotReversible, OutOfOrder
from lab.goose.files import Migration
from lab.goose.table import VersionRow, current


def up_to(migrations: Iterable[Migration], to: int | None) -> tuple[Migration, ...]:
    """Return those up to version `to`, oldest first; raises NoMigrations when there is none."""
    wanted = sorted(
        (each for each in migrations if to is None or each.version <= to),
        key=lambda each: each.version,
    )
    if not wanted:
        raise NoMigrations("no migration files" if to is None else f"no migration up to {to}")
    return tuple(wanted)


def pending(
    migrations: tuple[Migration, ...], recorded: Set[int], *, allow_missing: bool = False
) -> tuple[Migration, ...]:
    """Return what is to be applied, oldest first.

    A version counts as applied when it has a row at all. Raises OutOfOrder when one without
    a row is older than the newest that has one: it was merged late, and what came after may
    not bear it. A database that is ahead of the files has nothing pending.
    """
    newest = max(recorded)
    new = tuple(each for each in migrations if each.version not in recorded)
    missing = tuple(each.name for each in new if each.version < newest)
    if missing and not allow_missing:
        raise OutOfOrder(missing, newest=newest)
    return new


def file_of(migrations: Iterable[Migration], version: int) -> Migration:
    """Raises NoCurrentVersion when there is none."""
    for each in migrations:
        if each.version == version:
            return each
    raise NoCurrentVersion(version)


def taken_back_to(
    migrations: tuple[Migration, ...], rows: tuple[VersionRow, ...], to: int
) -> Iterator[Migration]:
    """Yield what is taken back until `to` was applied last; rows are newest first.

    The order is that of application, so a file that was applied late goes first, and the
    first that is not newer than `to` ends it, whatever lies before. Raises NoCurrentVersion
    at a version without a file.
    """
    while version := current(rows):
        found = file_of(migrations, version)
        if version <= to:
            return
        yield found
        rows = tuple(row for row in rows if row.version != version)


def require_reversible(
    migrations: Iterable[Migration], allowed: frozenset[Reversible] | None
) -> None:
    """Raises NotReversible for files that say something else, or nothing."""
    if allowed is None:
        return
    others = [
        (each.name, each.notes.reversible)
        for each in migrations
        if each.notes.reversible not in allowed
    ]
    if others:
        raise NotReversible(others)
