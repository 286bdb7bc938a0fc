"""The place of processes: one directory that ends with this process, however that ends.

The world (`lab.twin`), PostgreSQL and the observer. What is not imitated is in
`lab.twin.limits`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from lab.paths import Paths
from lab.progress import Progress
from lab.scenario.needs import Need
from lab.scenario.stage import Stage, UndoLog
from lab.stages.twin_machine import Machine, start_machine
from lab.stages.twin_stage import TwinStage
from lab.twin import limits
from lab.twin.workplace import Workplace

LACKS = MappingProxyType({Need(need): why for need, why in limits.LACKS.items()})


class NothingLeft:
    """Implements `lab.scenario.stage.UndoLog` where everything ends with the process."""

    def __init__(self) -> None:
        self._entries = 0

    def intend(self, fault: str, undo: Mapping[str, Any]) -> int:
        self._entries += 1
        return self._entries

    def undone(self, entry: int) -> None:
        """Nobody asks later."""


@dataclass(frozen=True, slots=True)
class TwinGround:
    """Implements `lab.stages.place.Ground`."""

    machine: Machine

    @property
    def about(self) -> Mapping[str, Any]:
        version = self.machine.database.value("SHOW server_version", database="postgres")
        return {"lab": "", "distribution": "processes", "version": f"PostgreSQL {version}"}

    def prepare(self) -> tuple[Stage, UndoLog]:
        return TwinStage(self.machine), NothingLeft()

    def let_be(self) -> None:
        """The next reset begins anew."""


@contextmanager
def enter(paths: Paths, progress: Progress) -> Iterator[TwinGround]:
    """Start a twin, and end it with all that belongs to it. Raises LabError."""
    with Workplace.new() as workplace:
        with progress.task("Starting PostgreSQL and the twin") as task:
            machine = start_machine(paths, workplace, task)
        try:
            yield TwinGround(machine)
        finally:
            machine.close()
