"""Run files again on a scratch database, in the order in which the real one got them."""

from collections.abc import Iterable

from lab import goose
from lab.chirps.errors import CannotTell
from lab.chirps.operator.asking import Connection
from lab.goose import Migration


def replay(connection: Connection, migrations: Iterable[Migration]) -> None:
    """Raises CannotTell when a file fails: what it makes is then not known."""
    for each in migrations:
        try:
            # One at a time: an order that goose would refuse is what happened all the same.
            goose.up(connection, (each,), options=goose.Options(allow_missing=True))
        except goose.GooseError as error:
            raise CannotTell(f"the files do not run on an empty database: {error}") from error
