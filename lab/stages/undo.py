"""The undo log of a lab's runs: what has been done to it and not yet taken back."""

from collections.abc import Mapping
from typing import Any

from lab.journal import Journal
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

    def clear(self) -> list[str]:
        """Close every entry; return the faults that were open. Call it when all is reset."""
        left = self._journal.open_changes()
        for change in left:
            self._journal.undone(change)
        return [change.what for change in left]
