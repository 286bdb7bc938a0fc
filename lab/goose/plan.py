"""Which migrations are to run on a database that has applied these versions?"""

from collections.abc import Iterable, Set

from lab.goose.errors import NoMigrations, OutOfOrder
from lab.goose.files import Migration


def up_to(migrations: Iterable[Migration], to: int | None) -> tuple[Migration, ...]:
    """Return those up to version `to`, oldest first; raises NoMigrations when there is none."""
    wanted = sorted(
        (each for each in migrations if to is None or each.version <= to),
        key=lambda each: each.version,
    )
    if not wanted:
        raise NoMigrations("no migration files" if to is None else f"no migration up to {to}")
    return tuple(wanted)


def pending(migrations: tuple[Migration, ...], recorded: Set[int]) -> tuple[Migration, ...]:
    """Return what is to be applied, oldest first.

    A version counts as applied when it has a row at all. Raises OutOfOrder when one without
    a row is older than the newest that has one: it was merged late, and what came after may
    not bear it. A database that is ahead of the files has nothing pending.
    """
    newest = max(recorded)
    new = tuple(each for each in migrations if each.version not in recorded)
    missing = tuple(each.name for each in new if each.version < newest)
    if missing:
        raise OutOfOrder(missing, newest=newest)
    return new
