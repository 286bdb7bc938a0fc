"""Make the schema of the real database again on a scratch one, with some of its rows."""

from collections.abc import Iterable
from dataclasses import dataclass

from lab import goose
from lab.chirps.errors import CannotTell
from lab.chirps.operator.asking import Connection
from lab.chirps.operator.sample import fill
from lab.chirps.operator.scratch import empty
from lab.goose import Migration


@dataclass(frozen=True, slots=True)
class Ground:
    """A scratch database to stand where the real one does, and to go on from there.

    `real` is where rows come from, None where none may be taken; `done` are the files that are
    applied there, in the order in which they were.
    """

    connection: Connection
    real: Connection | None
    done: tuple[Migration, ...]

    def lay(self, more: Iterable[Migration] = ()) -> None:
        """Run the files, put rows in, and run `more` on them, all on an empty database."""
        replay(self.connection, self.done)
        if self.real is not None:
            fill(self.real, self.connection)
        replay(self.connection, more)

    def lay_anew(self, more: Iterable[Migration] = ()) -> None:
        empty(self.connection)
        self.lay(more)


def replay(connection: Connection, migrations: Iterable[Migration]) -> None:
    """Raises CannotTell when a file fails: what it makes is then not known."""
    for each in migrations:
        try:
            # One at a time: an order that goose would refuse is what happened all the same.
            goose.up(connection, (each,), options=goose.Options(allow_missing=True))
        except goose.GooseError as error:
            raise CannotTell(f"the files do not run on a scratch database: {error}") from error
