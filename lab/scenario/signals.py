"""What would an operator be told, without having looked for it?"""

from collections.abc import Iterator
from dataclasses import dataclass

from lab.scenario.events import Event
from lab.scenario.evidence import Window
from lab.scenario.history import History

UNHEALTHY = "Unhealthy"
"""The kubelet's reason for a probe that failed."""


@dataclass(frozen=True, slots=True)
class Signal:
    t: int
    what: str


def first(history: History, window: Window) -> Signal | None:
    """Return the first signal in `window`, None where there was none."""
    signals = (
        *_warnings(history),
        *_restarts(history),
        *_failed_jobs(history),
        *_false_conditions(history),
        *_nodes(history),
    )
    within = (signal for signal in signals if signal.t in window)
    return min(within, key=lambda signal: signal.t, default=None)


def _warnings(history: History) -> Iterator[Signal]:
    for event in history.of("event"):
        if event["type"] == "Warning" and not _is_usual(event, history):
            yield Signal(event["t"], f"event {event['reason']} of {event['object']}")


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
            yield Signal(event["t"], f"restart of pod {event['name']}")
        known[event["name"]] = event["restarts"]


def _failed_jobs(history: History) -> Iterator[Signal]:
    for event in history.of("job"):
        if any(_is(condition, "Failed", "True") for condition in event["conditions"]):
            yield Signal(event["t"], f"job {event['name']} failed")


def _false_conditions(history: History) -> Iterator[Signal]:
    """A condition that turns false; one that is false from the start tells nothing new."""
    known: dict[tuple[str, str], str] = {}
    for event in history.of("deployment"):
        for condition in event["conditions"]:
            key = (event["name"], condition["type"])
            if condition["status"] == "False" and known.get(key, "False") != "False":
                yield Signal(
                    event["t"],
                    f"deployment {event['name']}: {condition['type']} is False"
                    f" ({condition.get('reason', '')})",
                )
            known[key] = condition["status"]


def _nodes(history: History) -> Iterator[Signal]:
    known: dict[str, bool] = {}
    for event in history.of("node"):
        if known.get(event["name"]) and not event["ready"]:
            yield Signal(event["t"], f"node {event['name']} is not Ready")
        known[event["name"]] = event["ready"]


def _is(condition: Event, kind: str, status: str) -> bool:
    return condition.get("type") == kind and condition.get("status") == status
