"""What goose's commands do to a database: up, up-by-one, up-to, down, down-to, redo, reset.

All take a connection in autocommit mode and outside of a transaction, `on_event` for what is
told meanwhile (`lab.goose.events`), and `options`. All raise GooseError; what was applied or
taken back before a failure stays so. What goose does is in its files of the same names.
"""

import contextlib
from collections.abc import Iterable, Iterator

from psycopg.pq import TransactionStatus

from lab.goose import plan, table
from lab.goose.advisory import held
from lab.goose.errors import GooseError, NoCurrentVersion, NoNextVersion
from lab.goose.events import OnEvent, ignore
from lab.goose.files import Migration
from lab.goose.options import DEFAULTS, Options
from lab.goose.runner import Applied, Reverted, apply, revert
from lab.goose.table import Connection, VersionRow


def up(
    connection: Connection,
    migrations: Iterable[Migration],
    to: int | None = None,
    on_event: OnEvent = ignore,
    options: Options = DEFAULTS,
) -> tuple[Applied, ...]:
    """Apply what is pending, up to version `to`, and return what was applied."""
    wanted = plan.up_to(migrations, to)
    with ready(connection, options, on_event):
        version, pending = look(connection, wanted, options, on_event)
        if not pending:
            on_event({"event": "up_to_date", "version": version})
        return tuple(apply(connection, each, options, on_event) for each in pending)


def up_by_one(
    connection: Connection,
    migrations: Iterable[Migration],
    on_event: OnEvent = ignore,
    options: Options = DEFAULTS,
) -> Applied:
    """Apply the oldest file that is pending; raises NoNextVersion when none is."""
    wanted = plan.up_to(migrations, None)
    with ready(connection, options, on_event):
        version, pending = look(connection, wanted, options, on_event)
        if not pending:
            raise NoNextVersion(version)
        return apply(connection, pending[0], options, on_event)


def down(
    connection: Connection,
    migrations: Iterable[Migration],
    on_event: OnEvent = ignore,
    options: Options = DEFAULTS,
) -> Reverted:
    """Take back what was applied last; raises NoCurrentVersion when there is no file of it."""
    known = plan.up_to(migrations, None)
    with ready(connection, options, on_event):
        last = applied_last(connection, known, options, on_event)
        plan.require_reversible([last], options.taken_back)
        return revert(connection, last, options, on_event)


def down_to(
    connection: Connection,
    migrations: Iterable[Migration],
    to: int,
    on_event: OnEvent = ignore,
    options: Options = DEFAULTS,
) -> tuple[Reverted, ...]:
    """Take back one file after the other until what was applied last is not newer than `to`.

    Tells up_to_date at the end, as goose does. Raises NoCurrentVersion at a version that has
    no file, when those after it are taken back.
    """
    known = plan.up_to(migrations, None)
    with ready(connection, options, on_event):
        plan.require_reversible(
            foreseen(known, rows_of(connection, options, on_event), to), options.taken_back
        )
        done: list[Reverted] = []
        # Read anew each time, as goose does: a file can change the table by itself.
        while back := next(steps_back(connection, known, to, options, on_event), None):
            done.append(revert(connection, back, options, on_event))
        version = table.current(rows_of(connection, options, on_event), name=options.table)
        on_event({"event": "up_to_date", "version": version})
        return tuple(done)


def redo(
    connection: Connection,
    migrations: Iterable[Migration],
    on_event: OnEvent = ignore,
    options: Options = DEFAULTS,
) -> tuple[Reverted, Applied]:
    """Take back what was applied last, and apply it again; raises NoCurrentVersion as `down`."""
    known = plan.up_to(migrations, None)
    with ready(connection, options, on_event):
        last = applied_last(connection, known, options, on_event)
        plan.require_reversible([last], options.taken_back)
        back = revert(connection, last, options, on_event)
        return back, apply(connection, last, options, on_event)


def reset(
    connection: Connection,
    migrations: Iterable[Migration],
    on_event: OnEvent = ignore,
    options: Options = DEFAULTS,
) -> tuple[Reverted, ...]:
    """Take back every file that is applied, the newest version first; others stay.

    Raises BadVersionTable when there is no table: it is the one command that makes none.
    """
    known = plan.up_to(migrations, None)
    with ready(connection, options, on_event):
        applied = table.applied(table.require_rows(connection, name=options.table))
        back = [each for each in reversed(known) if each.version in applied]
        plan.require_reversible(back, options.taken_back)
        return tuple(revert(connection, each, options, on_event) for each in back)


@contextlib.contextmanager
def ready(connection: Connection, options: Options, on_event: OnEvent) -> Iterator[None]:
    """See that the connection can be used, and hold the lock that is asked for."""
    if not connection.autocommit or connection.info.transaction_status != TransactionStatus.IDLE:
        raise GooseError("migrations need a connection in autocommit mode without a transaction")
    with held(connection, options, on_event):
        yield


def rows_of(connection: Connection, options: Options, on_event: OnEvent) -> tuple[VersionRow, ...]:
    """Return the rows, newest first; make the table when there is none."""
    rows = table.read_rows(connection, name=options.table)
    if rows is None:
        table.create(connection, name=options.table)
        on_event({"event": "table_created"})
        rows = table.require_rows(connection, name=options.table)
    return rows


def look(
    connection: Connection, wanted: tuple[Migration, ...], options: Options, on_event: OnEvent
) -> tuple[int, tuple[Migration, ...]]:
    """Return the version applied last, and what is pending."""
    rows = rows_of(connection, options, on_event)
    # A table without any applied version is damaged, and not a database to begin with.
    version = table.current(rows, name=options.table)
    recorded = {row.version for row in rows}
    return version, plan.pending(wanted, recorded, allow_missing=options.allow_missing)


def applied_last(
    connection: Connection, known: tuple[Migration, ...], options: Options, on_event: OnEvent
) -> Migration:
    rows = rows_of(connection, options, on_event)
    return plan.file_of(known, table.current(rows, name=options.table))


def steps_back(
    connection: Connection,
    known: tuple[Migration, ...],
    to: int,
    options: Options,
    on_event: OnEvent,
) -> Iterator[Migration]:
    return plan.taken_back_to(known, rows_of(connection, options, on_event), to)


def foreseen(
    known: tuple[Migration, ...], rows: tuple[VersionRow, ...], to: int
) -> Iterator[Migration]:
    """Yield what will be taken back, as far as there are files."""
    with contextlib.suppress(NoCurrentVersion):
        yield from plan.taken_back_to(known, rows, to)
