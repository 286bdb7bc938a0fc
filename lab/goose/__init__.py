"""Migrations as goose runs them: the same files, the same table, the same rules.

What goose does is known from its source, version 3.29.0, and held against the real program
by `tests/e2e/test_goose_conformance.py`, which also lists where this one differs on
purpose. `parse` reads one file, `files` finds them, `plan` says which are to run, `runner`
runs them, `status` asks, `table` keeps what was applied.
"""

from lab.goose.errors import (
    BadFile,
    BadVersionTable,
    GooseError,
    MigrationFailed,
    NoMigrations,
    OutOfOrder,
)
from lab.goose.files import Migration, collect
from lab.goose.parse import Direction, Script, Statement, parse
from lab.goose.runner import Applied, Event, OnEvent, up
from lab.goose.status import StatusRow, status
from lab.goose.table import current_version

__all__ = [
    "Applied",
    "BadFile",
    "BadVersionTable",
    "Direction",
    "Event",
    "GooseError",
    "Migration",
    "MigrationFailed",
    "NoMigrations",
    "OnEvent",
    "OutOfOrder",
    "Script",
    "Statement",
    "StatusRow",
    "collect",
    "current_version",
    "parse",
    "status",
    "up",
]
