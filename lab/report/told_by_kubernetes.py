"""What did Kubernetes say of the Deployment and its pods, in its own words, and when did it change?

Conditions with their reasons, why a container waits (ImagePullBackOff, CrashLoopBackOff) or has
ended, and how often it was started again. What lasts is told once, when it begins.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lab.scenario.events import Event


@dataclass(frozen=True, slots=True)
class Said:
    """At `t`, in ns of the observer's clock."""

    t: int
    what: str
    detail: str


def find_said(events: Sequence[Event]) -> Iterator[Said]:
    """Yield what was new each time. What was so when the watch began is no news."""
    conditions: dict[tuple[str, str], tuple[Any, ...]] = {}
    pods: dict[str, tuple[Any, ...]] = {}
    for event in events:
        if event["kind"] == "deployment":
            yield from _conditions(event, conditions)
        elif event["kind"] == "pod":
            yield from _pod(event, pods)


def _conditions(event: Event, known: dict[tuple[str, str], tuple[Any, ...]]) -> Iterator[Said]:
    for each in event.get("conditions", ()):
        key = (str(event.get("name")), each["type"])
        now = (each["status"], each.get("reason"))
        if known.get(key, now) != now:
            what = f"deployment {key[0]} {each['type']}={each['status']} {each.get('reason', '')}"
            yield Said(event["t"], what.rstrip(), str(each.get("message", "")))
        known[key] = now


def _pod(event: Event, known: dict[str, tuple[Any, ...]]) -> Iterator[Said]:
    name, restarts = event["name"], event.get("restarts") or 0
    reason = event.get("reason")
    before, restarted = known.get(name, (None, 0))
    if reason and reason != before:
        yield Said(event["t"], f"pod {name} {reason}", f"release {event.get('release')}")
    if restarts > restarted and name in known:
        yield Said(event["t"], f"pod {name} started again", f"{restarts} times by now")
    known[name] = (reason, restarts)
