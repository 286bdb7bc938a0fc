"""Where are we in the timeline, and what was foreseen before it began?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from lab.report.axis import Axis
from lab.report.clean import clean
from lab.scenario.events import Event
from lab.scenario.forecast import Forecast

# A scenario has a handful of steps.
MOST_STEPS = 30
SETTLE = "settle"


class State(StrEnum):
    TO_COME = "to come"
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """`when` completes "waiting until ...", `does` is empty for a step that only waits.

    `second` is when it came, None before.
    """

    name: str
    when: str
    does: str
    state: State
    second: float | None


def find_plan(events: Sequence[Event], axis: Axis) -> tuple[PlannedStep, ...]:
    """Return the steps as announced; without an announcement those that were heard of."""
    steps = {each.name: each for each in _announced(events)}
    for event in events:
        if event["kind"] == "step" and event["name"] != SETTLE:
            name = clean(event["name"], longest=60)
            known = steps.get(name) or PlannedStep(name, "", "", State.TO_COME, None)
            steps[name] = _moved(known, event, axis)
        elif event["kind"] == "fault" and event["what"] in ("unobserved", "failed"):
            name = clean(event.get("step"), longest=60)
            if name in steps:
                steps[name] = replace(steps[name], state=State.FAILED)
    return tuple(steps.values())[:MOST_STEPS]


def _announced(events: Sequence[Event]) -> Iterator[PlannedStep]:
    plan = _plan(events)
    for each in plan["steps"] if plan else ():
        if isinstance(each, Mapping):
            name = clean(each.get("name"), longest=60)
            when, does = clean(each.get("when")), clean(each.get("does"))
            yield PlannedStep(name, when, does, State.TO_COME, None)


def _plan(events: Sequence[Event]) -> Event | None:
    return next((each for each in events if each["kind"] == "plan"), None)


def _moved(step: PlannedStep, event: Event, axis: Axis) -> PlannedStep:
    match event["what"]:
        case "waiting":
            return replace(step, state=State.WAITING)
        case "due":
            return replace(step, state=State.DONE, second=axis.second(event["t"]))
        case "timed_out":
            return replace(step, state=State.FAILED, second=axis.second(event["t"]))
    return step


def find_claims(events: Sequence[Event]) -> tuple[str, ...]:
    """Return what is going to be judged, as announced."""
    plan = _plan(events)
    claims = plan.get("claims") if plan else None
    listed = claims if isinstance(claims, list) else []
    return tuple(clean(each) for each in listed if isinstance(each, str))[:MOST_STEPS]


def find_forecast(events: Sequence[Event]) -> Forecast | None:
    plan = _plan(events)
    told = plan.get("forecast") if plan else None
    try:
        found = Forecast.from_json(told) if isinstance(told, Mapping) else None
    except (ValueError, TypeError, LookupError):
        return None
    return replace(found, source=clean(found.source)) if found else None
