"""What would an operator be told, without having looked for it?"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from lab.scenario.events import Event
from lab.scenario.evidence import Window
from lab.scenario.history import History

UNHEALTHY = "Unhealthy"
"""The kubelet's reason for a probe that failed."""

State = tuple[Hashable, int, bool, str]
"""What it is about, when it was seen (ns), whether it is bad, and how to say so."""


@dataclass(frozen=True, slots=True)
class Signal:
    """Something that told since `t`, until `until` (ns; None: it still does at the end).

    `group` is the same for signals that say the same of different pods; `times` is how often
    it was said.
    """

    t: int
    what: str
    until: int | None
    group: str = ""
    times: int = 1

    def tells_at(self, t: int) -> bool:
        return self.t <= t and (self.until is None or t < self.until)


def begun_in(window: Window, history: History) -> tuple[Signal, ...]:
    """Return the signals that began in `window`, the earliest first."""
    signals = (signal for source in SOURCES.values() for signal in source(history))
    within = (signal for signal in signals if signal.t in window)
    return tuple(sorted(within, key=lambda signal: signal.t))


def _once(t: int, what: str, group: str) -> Signal:
    """What happens and is over: whoever did not look then is told nothing later."""
    return Signal(t, what, until=t, group=group)


def _warnings(history: History) -> Iterator[Signal]:
    for event in history.of("event"):
        if event["type"] == "Warning" and not _is_usual(event, history):
            what = f"event {event['reason']}"
            yield _once(event["t"], f"{what} of {event['object']}", what)


def _is_usual(event: Event, history: History) -> bool:
    """Whether it is a probe that finds a pod not there yet, or not there any more.

    Every rollout has these, also one in which nothing goes wrong, so they tell nobody that
    something did. What keeps a pod from starting has events and conditions of its own.
    """
    kind, _, name = str(event["object"]).partition("/")
    if event["reason"] != UNHEALTHY or kind != "Pod":
        return False
    known = [pod for pod in history.of("pod") if pod["name"] == name and pod["t"] <= event["t"]]
    if not known:
        return False
    return not any(pod["ready"] for pod in known) or bool(known[-1].get("terminating"))


def _restarts(history: History) -> Iterator[Signal]:
    known: dict[str, int] = {}
    for event in history.of("pod"):
        if event["restarts"] > known.get(event["name"], event["restarts"]):
            yield _once(event["t"], f"restart of pod {event['name']}", "restart")
        known[event["name"]] = event["restarts"]


def _failed_jobs(history: History) -> Iterator[Signal]:
    for event in history.of("job"):
        if any(_is(condition, "Failed", "True") for condition in event["conditions"]):
            yield Signal(event["t"], f"job {event['name']} failed", until=None)


def _false_conditions(history: History) -> Iterator[Signal]:
    return _spans(
        (
            (event["name"], condition["type"]),
            event["t"],
            condition["status"] == "False",
            f"deployment {event['name']}: {condition['type']} is False"
            f" ({condition.get('reason', '')})",
        )
        for event in history.of("deployment")
        for condition in event["conditions"]
    )


def _nodes(history: History) -> Iterator[Signal]:
    return _spans(
        (node["name"], node["t"], not node["ready"], f"node {node['name']} is not Ready")
        for node in history.of("node")
    )


def _spans(states: Iterable[State]) -> Iterator[Signal]:
    """From when to when each was bad; what is bad from the start tells nothing new."""
    was_good: set[Hashable] = set()
    going_on: dict[Hashable, Signal] = {}
    for about, t, bad, what in states:
        if not bad:
            was_good.add(about)
            if about in going_on:
                yield replace(going_on.pop(about), until=t)
        elif about in was_good and about not in going_on:
            going_on[about] = Signal(t, what, until=None)
    yield from going_on.values()


def _is(condition: Event, kind: str, status: str) -> bool:
    return condition.get("type") == kind and condition.get("status") == status


SOURCES: Mapping[str, Callable[[History], Iterator[Signal]]] = {
    "event": _warnings,
    "restart": _restarts,
    "job": _failed_jobs,
    "condition": _false_conditions,
    "node": _nodes,
}
"""Where signals come from."""
