"""What does a step wait for? Conditions that are seen in the history, never a sleep.

Each has a bound, and a sentence that completes "waiting up to 60 s until ...".
"""

from itertools import pairwise

from lab.scenario import reach, traffic
from lab.scenario.events import NS, Event
from lab.scenario.evidence import MissingEvidence, Window
from lab.scenario.history import History
from lab.scenario.model import Condition


def after(name: str, *, within_s: float = 120) -> Condition:
    """The phase or step `name` is over; a step with a fault is when its effect was seen."""
    return Condition(
        f"{name!r} is over",
        lambda history, _now: ended(history, name) is not None,
        within_s,
        needs=(name,),
    )


def seconds_after(name: str, seconds: float, *, within_s: float = 120) -> Condition:
    """`seconds` have passed since the phase or step `name` was over."""

    def holds(history: History, now: int) -> bool:
        end = ended(history, name)
        return end is not None and now >= end + seconds * NS

    return Condition(
        f"{seconds:g} s have passed since {name!r} was over", holds, within_s, needs=(name,)
    )


def rolled_out(release: str, *, within_s: float = 180) -> Condition:
    """The rollout of `release` is complete, and no new connection meets another release.

    The first part is the rule of `kubectl rollout status`: the controller has seen the
    newest template, and all replicas are updated and available
    (https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#complete-deployment).
    """

    def holds(history: History, _now: int) -> bool:
        deployment = history.last("deployment")
        if deployment is None or not _is_complete(deployment, release):
            return False
        try:
            reaches = reach.reaches(history)
        except MissingEvidence:
            # Pods and endpoints are watched apart: the pod of a new endpoint may be told later.
            return False
        return bool(reaches) and set(reaches[-1].ready) == {release}

    return Condition(f"{release} is rolled out", holds, within_s)


def serving(release: str, *, pods: int, within_s: float = 120) -> Condition:
    """New connections may meet `pods` pods of `release`, or more."""

    def holds(history: History, _now: int) -> bool:
        try:
            reaches = reach.reaches(history)
        except MissingEvidence:
            # As above: the pod of a new endpoint may be told later.
            return False
        return bool(reaches) and reaches[-1].ready.count(release) >= pods

    return Condition(f"{pods} pods of {release} are ready", holds, within_s)


def gone(release: str, *, within_s: float = 90) -> Condition:
    """No connection can meet `release` any more: its last pod has ended.

    A rollout is complete before that: pods that terminate are not counted, and still
    answer on connections that exist.
    """

    def holds(history: History, _now: int) -> bool:
        try:
            reach.gone(history, release, ready=False)
        except MissingEvidence:
            return False
        return True

    return Condition(f"the last pod of {release} has ended", holds, within_s)


def _is_complete(deployment: Event, release: str) -> bool:
    return bool(
        deployment["release"] == release
        and deployment["observed"] >= deployment["generation"]
        and deployment["updated"] >= deployment["replicas"] > 0
        and deployment["available"] >= deployment["replicas"]
    )


def quiet(seconds: float, *, within_s: float = 60) -> Condition:
    """No request failed and no endpoint changed for `seconds`, while requests were answered."""

    def holds(history: History, now: int) -> bool:
        # From the end backwards: the condition is asked often, the history is long.
        since = int(now - seconds * NS)
        lately = Window(since, now)
        if _phase_age(history, now) < seconds * NS:
            return False
        if any(event["t"] in lately for event in reversed(history.of("endpoints"))):
            return False
        answered = [e for e in history.of("request") if e["done"] in lately]
        return bool(answered) and all(e["outcome"] == traffic.OK for e in answered)

    return Condition(f"it has been quiet for {seconds:g} s", holds, within_s)


def _phase_age(history: History, now: int) -> int:
    """Return how long the phase lasts: what came before it is no quiet of its own."""
    phase = history.last("phase")
    return int(now - phase["t"]) if phase else 0


def ended(history: History, name: str) -> int | None:
    """Return when the phase or step `name` was over, in ns; None while it is not."""
    phases = history.of("phase")
    for phase, following in pairwise(phases):
        if phase["name"] == name:
            return int(following["t"])
    due = history.last("step", name=name, what="due")
    if due is None:
        return None
    fault = history.last("fault", step=name, what="requested")
    if fault is None:
        return None if due.get("injects") else int(due["t"])
    observed = history.last("fault", name=fault["name"], what="observed")
    return int(observed["t"]) if observed else None
