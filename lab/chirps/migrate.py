"""Which migrations does this image hold, and what of them has the database?

A track is a folder of files that goes on from `base`. Run as a Job of its own before the pods
that need it. As with goose nothing locks: two at once are a scenario, not an accident this
program prevents.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import psycopg
from psycopg.errors import InsufficientPrivilege

from lab import goose
from lab.chirps.admin import AS_OWNER, connect
from lab.chirps.errors import CannotTell, NoRight, NoSuchTrack, NoSuchVersion, Refused
from lab.chirps.operator.asking import ask
from lab.chirps.settings import Settings
from lab.goose import table

FOLDER = Path(__file__).parent / "migrations"
BASE = "base"


class State(StrEnum):
    """Of one version: `missing` is not applied although a later one is, `unknown` has no file."""

    APPLIED = "applied"
    PENDING = "pending"
    MISSING = "missing"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Line:
    """`applied_at` has no time zone; it is UTC when this program wrote it."""

    version: int
    state: State
    applied_at: datetime | None
    name: str | None
    annotations: dict[str, Any]

    @property
    def phase(self) -> str | None:
        return self.annotations.get("phase")


@dataclass(frozen=True, slots=True)
class Status:
    track: str
    version: int
    lines: tuple[Line, ...]

    floor: int | None = None
    """The compat floor: the smallest release number that still works; None before version 1."""

    @property
    def is_up_to_date(self) -> bool:
        return not any(line.state in (State.PENDING, State.MISSING) for line in self.lines)

    def answer(self) -> dict[str, Any]:
        return {
            "track": self.track,
            "version": self.version,
            "floor": self.floor,
            "up_to_date": self.is_up_to_date,
            "migrations": [asdict(line) for line in self.lines],
        }


def tracks() -> tuple[str, ...]:
    return tuple(sorted(folder.name for folder in FOLDER.iterdir() if folder.is_dir()))


def collect(track: str) -> tuple[goose.Migration, ...]:
    """Return the files of `base` and `track`; raises NoSuchTrack."""
    if track not in tracks():
        raise NoSuchTrack(f"this image has no track {track!r} (it has {', '.join(tracks())})")
    return goose.collect(*(FOLDER / name for name in dict.fromkeys((BASE, track))))


def require_version(track: str, version: int | None) -> None:
    """Raise NoSuchVersion for one that no file has.

    goose applies all that is older: so a slip of the finger would contract.
    """
    known = [each.version for each in collect(track)]
    if version is None or version in known:
        return
    raise NoSuchVersion(
        f"track {track} has no file of version {version} (it has {', '.join(map(str, known))})",
        next_steps=(f"chirps migrate status --track {track}",),
    )


def known_schema(track: str) -> int:
    """Return the newest version among the files."""
    return collect(track)[-1].version


def up(
    asked: Settings,
    track: str,
    to: int | None,
    on_event: goose.OnEvent,
    options: goose.Options = goose.DEFAULTS,
) -> dict[str, Any]:
    """Apply what is pending up to version `to`; return what was done as a JSON object.

    Raises Refused when a file fails (those before it stay applied), NoRight when this role may
    not, CannotTell when the connection was lost meanwhile.
    """
    migrations = collect(track)
    with connect(asked) as connection, refusals(connection):
        before = goose.current_version(connection, name=options.table)
        applied = goose.up(connection, migrations, to, on_event, options=options)
        after = goose.current_version(connection, name=options.table)
    return {
        "track": track,
        "from": before,
        "version": after,
        "applied": [asdict(each) for each in applied],
    }


@contextmanager
def refusals(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Raise Refused for what goose says, NoRight where this role may not, CannotTell when the
    connection was lost over it."""
    try:
        yield
    except goose.GooseError as error:
        if connection.closed:
            raise CannotTell(f"the connection was lost: {error}") from error
        if getattr(error, "sqlstate", None) == InsufficientPrivilege.sqlstate:
            raise NoRight(f"{error}; {AS_OWNER}") from error
        raise Refused(str(error), next_steps=steps_after(error)) from error


def steps_after(error: goose.GooseError) -> tuple[str, ...]:
    """Return what to type where somebody else is in the way."""
    blocked = isinstance(error, goose.LockTimeout | goose.Locked)
    return ("chirps migrate why-not",) if blocked else ()


def status(asked: Settings, track: str, name: str = goose.DEFAULTS.table) -> Status:
    """Compare files and database, whose table `name` says what is applied; changes nothing.

    Raises CannotTell for all that keeps the answer away, which must not look like a no.
    """
    migrations = collect(track)
    with ask(asked) as connection:
        rows = goose.status(connection, migrations, table=name)
        recorded = table.read_rows(connection, name=name) or ()
        version = goose.current_version(connection, name=name)
        floor = goose.read_floor(connection)
    notes = {each.version: dict(each.annotations) for each in migrations}
    known = [
        Line(row.version, state_of(row, version), row.applied_at, row.name, notes[row.version])
        for row in rows
    ]
    unknown = list(lines_without_file(recorded, set(notes)))
    lines = sorted((*known, *unknown), key=lambda line: line.version)
    return Status(track, version, tuple(lines), floor)


def state_of(row: goose.StatusRow, version: int) -> State:
    if row.applied_at is not None:
        return State.APPLIED
    return State.MISSING if row.version < version else State.PENDING


def lines_without_file(recorded: tuple[table.VersionRow, ...], known: set[int]) -> Iterator[Line]:
    """Version 0 is the row every table begins with."""
    for row in recorded:
        if row.version and row.version not in known and row.is_applied:
            yield Line(row.version, State.UNKNOWN, row.applied_at, None, {})
