"""`plan`: what will the pending files lock, rewrite and lose, and who works afterwards?

Nothing is guessed from SQL: the files run on a scratch database that has the real schema, and
what they lock and rewrite there is looked at. What that does not show is time: few rows are
rewritten at once. So the size of the real table stands beside it.
"""

from collections.abc import Iterator

from lab import goose
from lab.chirps.errors import CannotTell
from lab.chirps.operator import losses, snapshot
from lab.chirps.operator.answer import Answer
from lab.chirps.operator.applied import Applied, Where, read_applied
from lab.chirps.operator.asking import ask
from lab.chirps.operator.notes import note, survivors
from lab.chirps.operator.planned import FilePlan, Plan, explain, nothing_pending
from lab.chirps.operator.replay import Ground, replay
from lab.chirps.operator.scratch import scratch
from lab.chirps.operator.sizes import read_sizes
from lab.chirps.operator.undoing import Proof, step_down
from lab.chirps.settings import Settings
from lab.goose import Migration
from lab.goose.measure import FileFacts, measure


def plan(asked: Settings, where: Where, to: int | None, conninfo: str | None) -> Answer:
    """Read the real database, run the pending files on a scratch one."""
    with ask(asked) as real:
        applied = read_applied(real, where)
        pending = applied.pending_to(to)
        if not pending:
            return nothing_pending(applied)
        require_known(applied)
        with scratch(asked, conninfo) as connection:
            # Rows of the real database do not leave its server.
            source = real if conninfo is None else None
            ground = Ground(connection, source, applied.done)
            ground.lay()
            files = tuple(planned(ground, applied, pending))
        return explain(Plan(applied, files, read_sizes(real)))


def require_known(applied: Applied) -> None:
    if applied.unknown:
        raise CannotTell(
            f"version {applied.unknown[0]} has no file in track {applied.track}, so the schema "
            "cannot be made again to measure on; see --track"
        )


def planned(ground: Ground, applied: Applied, pending: tuple[Migration, ...]) -> Iterator[FilePlan]:
    """Stop at the first that fails: what comes after it would be measured on nothing."""
    run: list[Migration] = []
    for migration in pending:
        works = working(applied, run)
        run.append(migration)
        after = working(applied, run)
        stops = tuple(each for each in works if each not in after)
        try:
            cost, back = try_file(ground, run)
        except (goose.MigrationFailed, goose.BadFile) as error:
            yield FilePlan(migration, None, None, str(error), after, stops)
            return
        yield FilePlan(migration, cost, back, None, after, stops)


def working(applied: Applied, run: list[Migration]) -> tuple[str, ...]:
    files = (*applied.done, *run)
    schema = max((each.version for each in files), default=0)
    return survivors(map(note, files), track=applied.track, schema=schema)


def try_file(ground: Ground, run: list[Migration]) -> tuple[FileFacts, Proof]:
    """Run the last of `run` up, down and up again; raises MigrationFailed if it does not go up."""
    connection, migration = ground.connection, run[-1]
    before = snapshot.take(connection)
    cost = measure(connection, migration)
    back = step_down(connection, migration, before, losses.read_columns(connection))
    if back.failure is None:
        replay(connection, [migration])
    else:
        # Nobody knows what a Down that failed has left.
        ground.lay_anew(run)
    return cost, back
