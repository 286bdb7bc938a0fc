"""Migrations as goose runs them: the same files, the same table, the same rules.

What goose does is known from its source, version 3.29.0, and held against the real program
by `tests/e2e/test_goose_conformance.py`, which also lists where this one differs on
purpose. `parse` reads one file, `files` finds them, `plan` says which are to run, `commands`
are what goose has, `runner` runs one file, `status` asks, `table` keeps what was applied.

What goose does not have is off unless `Options` or a file ask for it: a lock on the command
line, time limits, retries, the floor of releases (`floor`), what a file says about itself
(`annotations`), places to die at (`crash`). `measure` tells what a file locks and rewrites.
"""

from lab.goose.annotations import Annotations, Break, Phase, Reversible
from lab.goose.catalog import RelationLock
from lab.goose.commands import down, down_to, redo, reset, up, up_by_one
from lab.goose.crash import CrashPoint, Step, When
from lab.goose.errors import (
    BadFile,
    BadFloor,
    BadOption,
    BadVersionTable,
    ConnectionLost,
    FloorDiffers,
    GooseError,
    Locked,
    LockLost,
    LockTimeout,
    MigrationFailed,
    NoCurrentVersion,
    NoMigrations,
    NoNextVersion,
    NotReversible,
    OutOfOrder,
    StatementTimeout,
)
from lab.goose.events import Event, OnEvent
from lab.goose.files import Migration, collect
from lab.goose.floor import declared_floor, read_floor
from lab.goose.measure import FileFacts, StatementFacts, measure
from lab.goose.options import DEFAULTS, Lock, Options
from lab.goose.parse import Direction, Script, Statement, parse
from lab.goose.runner import Applied, Reverted
from lab.goose.status import StatusRow, status
from lab.goose.table import current_version

__all__ = [
    "DEFAULTS",
    "Annotations",
    "Applied",
    "BadFile",
    "BadFloor",
    "BadOption",
    "BadVersionTable",
    "Break",
    "ConnectionLost",
    "CrashPoint",
    "Direction",
    "Event",
    "FileFacts",
    "FloorDiffers",
    "GooseError",
    "Lock",
    "LockLost",
    "LockTimeout",
    "Locked",
    "Migration",
    "MigrationFailed",
    "NoCurrentVersion",
    "NoMigrations",
    "NoNextVersion",
    "NotReversible",
    "OnEvent",
    "Options",
    "OutOfOrder",
    "Phase",
    "RelationLock",
    "Reversible",
    "Reverted",
    "Script",
    "Statement",
    "StatementFacts",
    "StatementTimeout",
    "StatusRow",
    "Step",
    "When",
    "collect",
    "current_version",
    "declared_floor",
    "down",
    "down_to",
    "measure",
    "parse",
    "read_floor",
    "redo",
    "reset",
    "status",
    "up",
    "up_by_one",
]
