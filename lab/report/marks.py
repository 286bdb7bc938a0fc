"""Which moments are drawn as a line through every chart?"""

from collections.abc import Sequence
from dataclasses import dataclass

from lab.report import pods
from lab.report.axis import Axis
from lab.report.clean import clean
from lab.report.database import Database
from lab.scenario.events import Event

# More lines than this hide what they should explain.
MOST_MARKS = 12


@dataclass(frozen=True, slots=True)
class Mark:
    second: float
    label: str


def step_of(fault: Event) -> str:
    """Return the name of the step that asked for a fault: shorter than the fault's own."""
    return clean(fault.get("step") or fault["name"], longest=30)


def find_marks(events: Sequence[Event], axis: Axis, database: Database) -> tuple[Mark, ...]:
    """Return faults, commits of the schema, and the first and last moment of two releases."""
    marks = [
        Mark(axis.second(each["t"]), step_of(each))
        for each in events
        if each["kind"] == "fault" and each["what"] == "requested"
    ]
    marks += [Mark(each.second, f"schema {each.version}") for each in database.commits]
    rollout = pods.find_rollout(events, axis)
    if rollout is not None:
        marks.append(Mark(rollout.came, f"first {rollout.new}"))
        if rollout.gone is not None and rollout.old:
            marks.append(Mark(rollout.gone, f"no {rollout.old} ready"))
    return tuple(sorted(marks, key=lambda mark: (mark.second, mark.label))[:MOST_MARKS])
