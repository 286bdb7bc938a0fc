"""Predictions about a deploy command that stays on the line, and about the release it brings."""

from collections.abc import Collection

from lab.scenario import reach, rollouts, traffic
from lab.scenario.events import NS
from lab.scenario.evidence import MissingEvidence, Window, verdict_window
from lab.scenario.history import History
from lab.scenario.model import Check, Condition, Moment
from lab.scenario.signature import Signature
from lab.scenario.traffic import FRESH
from lab.scenario.verdict import CheckResult

RULE = "rule of kubectl rollout status, applied to what the Deployment told"
LATE_S = 5.0
"""Until the new ReplicaSet has its pod, the deadline begins anew; and it is looked at now and
then only."""
FEWEST = 50
LEARNED_S = 2.0
"""Until each node's kube-proxy sends nobody to an endpoint any more that is not ready: it takes in
changes once a second at most, and one round may have just begun (minSyncPeriod,
https://kubernetes.io/docs/reference/config-api/kube-proxy-config.v1alpha1/)."""


def rollout_ended(release: str, *, within_s: float = 180) -> Condition:
    """The deploy command that waits for `release` has come back, either way."""

    def holds(history: History, _now: int) -> bool:
        found = rollouts.rollouts(history)
        return any(each.release == release and each.ended is not None for each in found)

    return Condition(f"the rollout of {release} has succeeded or failed", holds, within_s)


def deploy_succeeds(release: str) -> Check:
    """The deploy command says that all is well."""
    name = f"the deploy command of {release} exits 0"

    def judge(history: History) -> CheckResult:
        found = rollouts.of_release(history, release)
        return CheckResult(
            name=name,
            ok=None if found.code is None else found.code == 0,
            claim=name,
            predicted=0,
            measured=found.code,
            formula=RULE,
            tolerance="none",
            detail=found.message,
        )

    return Check(name, judge)


def deploy_fails_in_time(release: str) -> Check:
    """The deploy command fails when the progress deadline is over, and soon then."""
    name = f"the deploy command of {release} exits 1 at the progress deadline"

    def judge(history: History) -> CheckResult:
        found = rollouts.of_release(history, release)
        deadline_s = history.facts.get("progress_deadline_s")
        if deadline_s is None:
            raise MissingEvidence("the stage does not tell progress_deadline_s")
        after_s = None if found.ended is None else (found.ended - found.began) / NS
        is_in_time = after_s is not None and abs(after_s - deadline_s) <= LATE_S
        return CheckResult(
            name=name,
            ok=None if found.code is None else found.code == 1 and is_in_time,
            claim=f"the deploy command exits 1, {deadline_s:g} s after the change",
            predicted=f"1 after {deadline_s:g} s",
            measured=None if after_s is None else f"{found.code} after {after_s:.1f} s",
            formula=f"progress deadline; {RULE}",
            tolerance=f"+- {LATE_S:g} s",
            detail=found.message,
        )

    return Check(name, judge)


def never_serves(release: str) -> Check:
    """No endpoint of `release` is ever ready, although there was a pod of it."""
    name = f"{release} never gets traffic"

    def judge(history: History) -> CheckResult:
        pods = {line["name"] for line in history.of("pod") if line["release"] == release}
        ready = max(each.ready.count(release) for each in reach.reaches(history))
        return CheckResult(
            name=name,
            ok=ready == 0 if pods else None,
            claim=f"no endpoint of {release} is ever ready",
            predicted=0,
            measured=ready,
            formula="largest number of ready endpoints of the release",
            tolerance="none",
            detail=f"{len(pods)} pods of it were made" if pods else f"no pod of {release} was made",
        )

    return Check(name, judge)


def never_connects(release: str) -> Check:
    """The database never sees a session of `release`: it never worked, so it did not stop to."""
    name = f"{release} never has a session"

    def judge(history: History) -> CheckResult:
        window = verdict_window(history)
        looks = [look for look in history.of("db") if look["t"] in window and not look.get("error")]
        most = max((_sessions(look["sessions"], release) for look in looks), default=0)
        return CheckResult(
            name=name,
            ok=most == 0 if looks else None,
            claim=f"no look at the database finds a session of {release}",
            predicted=0,
            measured=most,
            formula="sessions named chirps/<release>/<pod>",
            tolerance="none",
            detail=f"{len(looks)} looks",
        )

    return Check(name, judge)


def _sessions(told: Collection[dict[str, object]], release: str) -> int:
    mine = (each for each in told if str(each["application"]).startswith(f"chirps/{release}/"))
    return sum(int(str(each["count"])) for each in mine)


def fails_everywhere(signature: Signature, *, gone: str, until: Moment) -> Check:
    """With the last endpoint of the release that worked, everything at these endpoints fails."""
    name = f"everything fails once {gone} is gone"

    def judge(history: History) -> CheckResult:
        learned = _without(history, gone) + round(LEARNED_S * NS)
        window = Window(learned, until.at(history))
        due = [
            each
            for each in traffic.requests(history, window)
            if each.stream == FRESH and each.endpoint in signature.endpoints
        ]
        share = sum(map(signature.fits, due)) / len(due) if due else 0.0
        return CheckResult(
            name=name,
            ok=share == 1 if len(due) >= FEWEST else None,
            claim=f"all new connections to {', '.join(signature.endpoints)} fail as"
            f" {signature.label}",
            predicted=1,
            measured=share,
            formula=f"failures with the signature / requests, from {LEARNED_S:g} s after the last"
            f" ready endpoint of {gone} to {until.sentence}",
            tolerance="none",
            detail=f"{len(due)} requests",
        )

    return Check(name, judge)


def _without(history: History, release: str) -> int:
    """Return from when on, for the first time, no endpoint of `release` was ready."""
    had = False
    for each in reach.reaches(history):
        if release in each.ready:
            had = True
        elif had:
            return each.t
    raise MissingEvidence(f"some endpoint of {release} was ready all the time")
