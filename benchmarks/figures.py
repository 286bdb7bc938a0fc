"""What is measured: figures, their aims, and the report they make."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table: all values measured, of which the median counts.

    `aim` is the most that the median may be; None when nothing was promised.
    """

    name: str
    unit: str
    values: tuple[float, ...]
    aim: float | None = None
    note: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def is_met(self) -> bool | None:
        """Whether the aim is reached; None when there is none."""
        return None if self.aim is None else self.median <= self.aim


@dataclass(frozen=True, slots=True)
class Run:
    """One run in the order in which they were made; `load` is the load average before it."""

    what: str
    seconds: float
    load: float


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    figures: tuple[Figure, ...]


@dataclass(slots=True)
class Report:
    date: str
    machine: dict[str, str]
    versions: dict[str, str]
    sections: list[Section] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)

    def add(self, title: str, figures: Sequence[Figure]) -> None:
        if figures:
            self.sections.append(Section(title, tuple(figures)))
