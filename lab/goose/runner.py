"""Run one file in either direction, again if it may, and tell of it."""

import time
from dataclasses import dataclass
from typing import Any

from lab.goose.errors import GooseError, MigrationFailed
from lab.goose.events import Event, OnEvent, ignore
from lab.goose.fileruns import FileRun
from lab.goose.files import Migration
from lab.goose.options import Options
from lab.goose.parse import Direction, Script
from lab.goose.retry import Retries
from lab.goose.table import Connection
from lab.goose.timeouts import limited, wanted

__all__ = ["Applied", "Event", "OnEvent", "Reverted", "apply", "ignore", "revert"]


@dataclass(frozen=True, slots=True)
class Applied:
    """One file that was applied, in `seconds`, with that many `statements`."""

    version: int
    name: str
    statements: int
    in_transaction: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Reverted:
    """One file that was taken back; its Down may hold no statement at all."""

    version: int
    name: str
    statements: int
    in_transaction: bool
    seconds: float


def apply(
    connection: Connection, migration: Migration, options: Options, on_event: OnEvent
) -> Applied:
    done = Run(connection, migration, Direction.UP, options, on_event).execute()
    return Applied(migration.version, migration.name, **done)


def revert(
    connection: Connection, migration: Migration, options: Options, on_event: OnEvent
) -> Reverted:
    done = Run(connection, migration, Direction.DOWN, options, on_event).execute()
    return Reverted(migration.version, migration.name, **done)


@dataclass(frozen=True, slots=True)
class Run:
    connection: Connection
    migration: Migration
    direction: Direction
    options: Options
    on_event: OnEvent

    def execute(self) -> dict[str, Any]:
        """Return how many statements ran, how, and for how long."""
        begins, ends = NAMES[self.direction]
        self.tell(begins)
        begun = time.monotonic()
        try:
            done = self.run_file()
        except GooseError as exc:
            self.tell("failed", **facts(exc))
            raise
        seconds = time.monotonic() - begun
        self.tell(ends, **done, seconds=round(seconds, 6))
        return {**done, "seconds": seconds}

    def run_file(self) -> dict[str, Any]:
        script = self.migration.script(self.direction, environ=self.options.environ)
        once = FileRun(self.connection, self.migration, self.direction, script, self.options)
        with limited(self.connection, wanted(self.options, self.migration.notes)):
            self.until_it_runs(once, script)
        return {"statements": len(script.statements), "in_transaction": script.in_transaction}

    def until_it_runs(self, once: FileRun, script: Script) -> None:
        retries = Retries.of(self.connection, self.options, self.migration.notes, script)
        while True:
            retries.begin()
            try:
                once.execute()
            except MigrationFailed as exc:
                if not retries.allow(exc):
                    raise
                delay_s = retries.next_delay_s()
                self.tell(
                    "retrying", **facts(exc), retry=retries.done, of=retries.most, in_s=delay_s
                )
                self.options.sleep(delay_s)
            else:
                return

    def tell(self, event: str, **more: Any) -> None:
        about = {"version": self.migration.version, "file": self.migration.name}
        self.on_event({"event": event, **about, **more})


NAMES = {Direction.UP: ("applying", "applied"), Direction.DOWN: ("reverting", "reverted")}


def facts(error: GooseError) -> dict[str, Any]:
    """Return what an error knows beyond its text."""
    known = ((name, getattr(error, name, None)) for name in ("line", "statement", "sqlstate"))
    return {"error": error.message, **dict(known)}
