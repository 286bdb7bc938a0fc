"""Predictions about containers that end and are started again.

The kubelet starts a container that ended at once the first time, then after 10 s, and after
twice as long each time, up to 300 s
(https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy).
"""

from collections.abc import Iterator, Mapping

from lab.scenario.events import NS
from lab.scenario.evidence import MissingEvidence, verdict_window
from lab.scenario.history import History
from lab.scenario.model import Check, Moment
from lab.scenario.verdict import CheckResult

FIRST_WAIT_S = 10.0
LONGEST_WAIT_S = 300.0
START_S = 5.0
"""How much longer than the wait a pod may be away: its program starts after that."""

BACK_OFF = "CrashLoopBackOff"
"""The kubelet's reason for a container that waits to be started again."""


def restarted(release: str, *, at_least: int) -> Check:
    """Some pod of `release` was started again so often."""
    name = f"{release} is started again and again"

    def judge(history: History) -> CheckResult:
        most = max(restarts(history, release).values(), default=0)
        return CheckResult(
            name=name,
            ok=most >= at_least,
            claim=f"a pod of {release} is restarted {at_least} times or more",
            predicted=at_least,
            measured=most,
            formula="highest count of restarts of one pod",
            tolerance=f">= {at_least}",
        )

    return Check(name, judge)


def never_restarted(release: str) -> Check:
    """No pod of `release` was started a second time."""
    name = f"{release} is not restarted"

    def judge(history: History) -> CheckResult:
        found = restarts(history, release)
        most = sum(found.values())
        return CheckResult(
            name=name,
            ok=not most if found else None,
            claim=f"each pod of {release} starts once",
            predicted=0,
            measured=most,
            formula="restarts of all its pods",
            tolerance="none",
            detail=f"{len(found)} pods" if found else f"no pod of {release} was seen",
        )

    return Check(name, judge)


def waits_out_the_backoff(release: str, *, back: Moment, cause_gone: Moment) -> Check:
    """It is `back` only when the kubelet tries again, not when the cause is gone.

    The wait that goes on when the cause goes began when its container ended before that, and
    its length follows from how many restarts there were.
    """
    name = f"{release} waits out the back-off"

    def judge(history: History) -> CheckResult:
        gone = cause_gone.at(history)
        overhang_s = (back.at(history) - gone) / NS
        tried = min(_next_tries(history, release, gone))
        predicted_s = (tried[0] - gone) / NS
        allowed_s = max(0.25 * abs(predicted_s), START_S)
        return CheckResult(
            name=name,
            ok=abs(overhang_s - predicted_s) <= allowed_s,
            claim=f"{release} is back when the back-off ends, not when {cause_gone.sentence}",
            predicted=round(predicted_s, 1),
            measured=overhang_s,
            formula=f"end after {tried[1]} restarts + {wait_s(tried[1]):g} s of back-off - the"
            " moment when the cause was gone",
            tolerance=f"+- {allowed_s:.1f} s, the larger of 25 % and the time of a start",
        )

    return Check(name, judge)


def wait_s(restarts_before: int) -> float:
    """Return how long a container waits that was restarted so often, in seconds."""
    if restarts_before == 0:
        return 0.0
    return min(FIRST_WAIT_S * 2.0 ** (restarts_before - 1), LONGEST_WAIT_S)


def restarts(history: History, release: str) -> Mapping[str, int]:
    """Return how often each pod of the service was restarted while it counted."""
    window = verdict_window(history)
    found: dict[str, int] = {}
    for event in history.of("pod"):
        if event["release"] == release and event["t"] in window and _serves(event):
            found[event["name"]] = max(found.get(event["name"], 0), event["restarts"])
    return found


def _next_tries(history: History, release: str, gone: int) -> Iterator[tuple[int, int]]:
    """Yield for each pod that waits at `gone` when it is tried next, in ns, and its restarts."""
    began: dict[str, tuple[int, int] | None] = {}
    for event in history.of("pod"):
        if event["release"] != release or event["t"] > gone or not _serves(event):
            continue
        name, waits = event["name"], event.get("reason") == BACK_OFF
        if not waits:
            began[name] = None
        elif began.get(name) is None:
            began[name] = (event["t"], event["restarts"])
    found = [each for each in began.values() if each is not None]
    if not found:
        raise MissingEvidence(f"no pod of {release} waited to be restarted when the cause went")
    for t, count in found:
        yield t + round(wait_s(count) * NS), count


def _serves(pod: Mapping[str, object]) -> bool:
    """Tell a pod of the service from that of a migration, which has a release as well."""
    return pod.get("app", "chirps") == "chirps"
