"""What does playing ask of the place where variants are played, one after the other?"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from lab.scenario.needs import Lacks
from lab.scenario.stage import Stage, UndoLog


@dataclass(frozen=True, slots=True)
class Place:
    """A kind of stage: `name` is what `--stage` takes, `lacks` what cannot be shown on it.

    `clock` is what runs there tell as theirs: how long one takes on another says nothing here.
    Of a budget entering it takes about `begins_within_s`, and leaving it `ends_within_s`, in
    seconds; `quicker` is what takes less, as a command to type.
    """

    name: str
    lacks: Lacks
    enter: "Enter"
    clock: str
    begins_within_s: float = 0
    ends_within_s: float = 0
    quicker: str = ""


class Ground(Protocol):
    """A place that has been entered: there is a lab, or a directory and a database."""

    @property
    def about(self) -> Mapping[str, Any]:
        """What is known before a run begins: lab, distribution, version."""
        ...

    def prepare(self) -> tuple[Stage, UndoLog]:
        """Return a stage for one variant, and where what has to be taken back is written."""
        ...

    def let_be(self) -> None:
        """What is left of a variant that came to its end is what was judged."""
        ...


class Enter(Protocol):
    """Enter the place with exclusive use of it; raises LabError where that cannot be."""

    def __call__(self) -> AbstractContextManager[Ground]: ...
