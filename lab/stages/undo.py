"""The undo log of a lab's runs: what has been done to it and not yet taken back."""

from collections.abc import Iterable, Mapping
from typing import Any

from lab.journal import Change, Journal
from lab.lifecycle.lab import Lab
from lab.machines.processes import current_boot_id

FILE = "faults.jsonl"


class LabUndoLog:
    """Implements `lab.scenario.stage.UndoLog` in the lab's directory, on disk before it returns."""

    def __init__(self, lab: Lab) -> None:
        self._journal = Journal(
            lab.directory / FILE, owner=lab.paths.caller, boot_id=current_boot_id()
        )

    def intend(self, fault: str, undo: Mapping[str, Any]) -> int:
        return self._journal.intend("fault", fault, **undo).seq

    def undone(self, entry: int) -> None:
        for change in self._journal.open_changes():
            if change.seq == entry:
                self._journal.undone(change)

    def left(self) -> list[Change]:
        """Return what was not taken back, newest first."""
        return self._journal.open_changes()

    def close(self, changes: Iterable[Change]) -> None:
        for change in changes:
            self._journal.undone(change)
