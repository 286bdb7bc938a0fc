"""Take back what a run that was cut short left, from what it wrote down before it did it."""

from collections.abc import Mapping
from typing import Any, Protocol

from lab.errors import LabError
from lab.faults.migrate import CanMigrate
from lab.faults.set_image import CanSetImage


class CanHeal(CanMigrate, CanSetImage, Protocol):
    """A stage with every capability that faults may have used."""


def heal(undo: Mapping[str, Any], stage: CanHeal) -> None:
    """Do what the `undo` of a fault says; a second time changes nothing.

    Raises LabError for an entry that no fault of this lab writes.
    """
    match undo:
        case {"set_image": str(release), "variables": dict() | None as variables}:
            stage.set_image(release, variables)
        case {"clear_migration": _}:
            stage.clear_migration()
        case _:
            raise LabError(
                f"a run left something that this lab cannot take back: {dict(undo)}",
                hint="lab down; lab up",
            )
