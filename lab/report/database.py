"""What did the database say of itself: its schema, who waits for a lock, how many connect?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lab.report.axis import Axis
from lab.report.clean import clean
from lab.scenario.events import NS, Event

_MOST_BLOCKERS = 5


@dataclass(frozen=True, slots=True)
class SchemaStep:
    """The schema became `version` at `second`, give or take `bound_s`."""

    second: float
    version: int
    bound_s: float


@dataclass(frozen=True, slots=True)
class Database:
    """Highest value of each second, None where the database was not heard of.

    `commits` are the steps of this run; what was there when it began is no event of it.
    `schema` is the version at the end of each second, by the times of the commits; `floor` the
    lowest release that the database says it still serves. `wait_s` is the longest wait for a
    lock, `blockers` the applications that held one others waited for, by the last sample.
    """

    commits: tuple[SchemaStep, ...]
    schema: tuple[int | None, ...]
    blocked: tuple[int | None, ...]
    connections: tuple[int | None, ...]
    floor: tuple[int | None, ...]
    wait_s: tuple[float | None, ...]
    blockers: tuple[str, ...]
    samples: int
    unanswered: int


def find_database(events: Sequence[Event], axis: Axis) -> Database:
    samples = [each for each in events if each["kind"] == "db"]
    answered = [each for each in samples if not each.get("error")]
    steps = _steps(events, axis)
    return Database(
        commits=tuple(each for each in steps if axis.at_fault and is_of_run(each)),
        schema=_versions(steps, _first_version(answered, axis, steps), axis),
        blocked=_highest(answered, "blocked", axis),
        connections=_highest(answered, "connections", axis),
        floor=_floors(answered, axis),
        wait_s=_longest_waits(answered, axis),
        blockers=_blockers(answered[-1]) if answered else (),
        samples=len(samples),
        unanswered=len(samples) - len(answered),
    )


def is_of_run(step: SchemaStep) -> bool:
    """Tell whether the step may have come after second 0, the first fault."""
    return step.second + step.bound_s >= 0


def _steps(events: Sequence[Event], axis: Axis) -> tuple[SchemaStep, ...]:
    found = (
        SchemaStep(axis.second(each["t"]), each["version"], _whole(each.get("bound")) / NS)
        for each in events
        if each["kind"] == "schema"
    )
    return tuple(sorted(found, key=lambda step: (step.second, step.version)))


def _first_version(
    answered: Sequence[Event], axis: Axis, steps: tuple[SchemaStep, ...]
) -> int | None:
    """Return the version that was there before any commit that was seen."""
    before = steps[0].second if steps else float("inf")
    for each in answered:
        if axis.second(each["t"]) < before and isinstance(each.get("schema"), int):
            return int(each["schema"])
    return None


def _versions(
    steps: tuple[SchemaStep, ...], version: int | None, axis: Axis
) -> tuple[int | None, ...]:
    found: list[int | None] = []
    left = list(steps)
    for second in axis.seconds:
        while left and left[0].second < second + 1:
            version = left.pop(0).version
        found.append(version)
    return tuple(found)


def _highest(answered: Sequence[Event], key: str, axis: Axis) -> tuple[int | None, ...]:
    found: list[int | None] = [None] * len(axis)
    for each in answered:
        place, value = axis.bin(each["t"]), each.get(key)
        if place is not None and isinstance(value, int):
            found[place] = max(value, found[place] or 0)
    return tuple(found)


def _floors(answered: Sequence[Event], axis: Axis) -> tuple[int | None, ...]:
    """Return the floor at the end of each second: what was heard last."""
    heard = dict[int, int]()
    for each in answered:
        place, value = axis.bin(each["t"]), each.get("floor")
        if place is not None and isinstance(value, int):
            heard[place] = value
    found: list[int | None] = []
    for place in range(len(axis)):
        found.append(heard.get(place, found[-1] if found else None))
    return tuple(found)


def _longest_waits(answered: Sequence[Event], axis: Axis) -> tuple[float | None, ...]:
    found: list[float | None] = [None] * len(axis)
    for each in answered:
        place, value = axis.bin(each["t"]), each.get("longest_wait_s")
        if place is not None and isinstance(value, int | float) and math.isfinite(value):
            found[place] = max(round(float(value), 2), found[place] or 0.0)
    return tuple(found)


def _blockers(sample: Event) -> tuple[str, ...]:
    told = sample.get("blockers")
    listed = told if isinstance(told, list) else []
    names = (each.get("application") for each in listed if isinstance(each, dict))
    return tuple(clean(name) or "a session without a name" for name in names)[:_MOST_BLOCKERS]


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
