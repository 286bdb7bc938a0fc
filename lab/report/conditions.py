"""Under which conditions was measured: could the client keep its schedule, was anything missed?"""

from collections.abc import Iterator, Sequence
from typing import Any

from lab.report import words
from lab.report.clean import clean
from lab.report.database import Database
from lab.report.figures import Figure
from lab.scenario.events import Event


def list_conditions(events: Sequence[Event], database: Database) -> tuple[Figure, ...]:
    return (
        *_schedule([each for each in events if each["kind"] == "health"]),
        *_watches(events),
        _database(database),
        *_asked(events),
    )


def _schedule(health: Sequence[Event]) -> Iterator[Figure]:
    if not health:
        yield Figure("scheduling lag", words.NOTHING, "the client reported no health")
        return
    p99, longest = _highest(health, "lag_p99_ms"), _highest(health, "lag_max_ms")
    yield Figure("scheduling lag p99", words.milliseconds(p99), "in the worst second")
    yield Figure("scheduling lag max", words.milliseconds(longest))
    yield Figure("client CPU", words.percent(_highest(health, "cpu")), "of one core, at most")
    last = health[-1]
    told = ", ".join(
        f"{name} {words.anything(last.get(name))}" for name in ("planned", "sent", "done")
    )
    reached = any(each.get("cap_reached") is True for each in health)
    yield Figure("schedule", told, "cap of requests in flight reached" if reached else "")


def _watches(events: Sequence[Event]) -> Iterator[Figure]:
    gaps = [e for e in events if e["kind"] == "watch" and e.get("what") != "listed"]
    lost = [e for e in events if e["kind"] == "lost"]
    told = sorted({f"{clean(e.get('resource'))} {clean(e.get('what'))}" for e in gaps})
    yield Figure("gaps of the watchers", words.number(len(gaps)), ", ".join(told[:5]))
    if lost:
        what = sorted({clean(each.get("what")) for each in lost})
        yield Figure("lost observations", words.number(len(lost)), ", ".join(what[:5]))


def _database(database: Database) -> Figure:
    remark = "none missed"
    if database.unanswered:
        remark = f"{words.number(database.unanswered)} without an answer"
    return Figure("database samples", words.number(database.samples), remark)


def _asked(events: Sequence[Event]) -> Iterator[Figure]:
    run = next((each for each in events if each["kind"] == "run"), None)
    if run is None:
        return
    load, facts = run["load"], run["facts"]
    for name in ("rate", "seed", "arrival", "sessions_per_s", "keepalive_share"):
        if name in load:
            yield Figure(f"load: {name.replace('_', ' ')}", words.anything(load[name]))
    for name in sorted(facts):
        if name not in ("stage", "distribution", "version", "clock", "reset_command"):
            label = clean(name).replace("_", " ")
            yield Figure(f"configured: {label}", words.anything(facts[name]))


def _highest(health: Sequence[Event], key: str) -> float | None:
    values: list[Any] = [each.get(key) for each in health]
    found = [
        each for each in values if isinstance(each, int | float) and not isinstance(each, bool)
    ]
    return max(found, default=None)
