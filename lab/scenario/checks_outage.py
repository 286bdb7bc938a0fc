"""Predictions about a database that is away for a while: who leaves, who answers, how soon.

Nobody predicts when exactly a probe is due, so a bound is the longest way that the news can
take: the service looks, the kubelet asks as often as it is told to, and then the pod is out.

If the database was never away, no such prediction came true: that was seen, and is no gap in
what was seen. So a run without an outage is judged, and not invalid.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any

from lab.scenario import outage, reach, stats, traffic
from lab.scenario.events import NS
from lab.scenario.evidence import MissingEvidence, Window, verdict_window
from lab.scenario.history import History
from lab.scenario.model import Check
from lab.scenario.outage import Outage
from lab.scenario.traffic import FRESH, Request
from lab.scenario.verdict import CheckResult

SERVICE_LOOKS_S = 2.0
"""How often the service looks at its dependencies (EVERY_S of lab/chirps/readiness.py)."""
LOOK_BOUND_S = 1.0
"""How long one such look may take (CHECK_BOUND_S there)."""
NO_LONGER_S = SERVICE_LOOKS_S + LOOK_BOUND_S
"""From when on every pod knows that the database is away."""
READINESS = "readiness_probe"

Judge = Callable[[History, Outage], CheckResult]


def every_pod_leaves() -> Check:
    """Soon after the database is lost no endpoint is ready: all pods fail the same probe."""
    name = "the loss of the database takes every pod out"
    claim = "no endpoint is ready once each pod has looked and its probe has failed often enough"

    def judge(history: History, found: Outage) -> CheckResult:
        within_s, formula = leaves_within(history)
        bound_s = (found.lost - found.answered) / NS
        none = _first_without_ready(history, found)
        after_s = None if none is None else (none - found.lost) / NS
        return CheckResult(
            name=name,
            ok=after_s is not None and after_s <= within_s + bound_s,
            claim=claim,
            predicted=f"at most {within_s:g} s",
            measured=after_s,
            formula=formula,
            tolerance=f"widened by {bound_s:.2f} s, the time between two looks at the database",
            detail="" if none else "some endpoint was ready all the time",
        )

    return _on_outage(name, claim, judge)


def turned_away(endpoint: str, *, at_most: float = 0.05) -> Check:
    """Who asks for what needs no database gets nothing either, and from nobody.

    Of new connections: one that exists stays with its pod, ready or not.
    """
    name = f"{endpoint} is taken down with the database"
    claim = f"at most {at_most:.0%} of new connections that ask for {endpoint} get it"

    def judge(history: History, found: Outage) -> CheckResult:
        due = [each for each in _due_without_pods(history, found) if each.endpoint == endpoint]
        served = [each for each in due if not each.failed]
        answered = [each for each in due if each.failed and each.release is not None]
        share = len(served) / len(due) if due else 0.0
        ways = sorted({each.outcome for each in due if each.failed})
        return CheckResult(
            name=name,
            ok=share <= at_most and not answered if due else None,
            claim=f"{claim}, and no pod answers the others",
            predicted=at_most,
            measured=share,
            formula="successes / requests, from when the last pod must be out until the return",
            tolerance=f"<= {at_most:.0%}; no failure that a pod answered",
            detail=f"{len(served)} of {len(due)} requests; the others: {', '.join(ways) or 'none'};"
            f" {len(answered)} failures were answered",
        )

    return _on_outage(name, claim, judge)


def answered_soon(endpoints: Collection[str], *, p99_s: float) -> Check:
    """What needs the database is refused by a pod, with 503 and at once.

    From when every pod knows; before that a request may wait for a connection in vain.
    """
    name = "what needs the database is answered with 503, soon"
    claim = f"{', '.join(endpoints)}: every failure is a 503, p99 below {p99_s * 1000:g} ms"

    def judge(history: History, found: Outage) -> CheckResult:
        window = _known(found)
        due = [each for each in traffic.requests(history, window) if each.endpoint in endpoints]
        failed = [each for each in due if each.failed]
        others = [each for each in failed if each.status != 503]
        p99 = stats.percentile([each.done - each.t for each in failed], 0.99) if failed else 0
        return CheckResult(
            name=name,
            ok=bool(failed) and not others and p99 < p99_s * NS if due else None,
            claim=claim,
            predicted=f"less than {p99_s * 1000:g} ms",
            measured=f"{p99 / 1e6:.0f} ms",
            formula="p99 of (answer - when it was due), of failures while every pod knows",
            tolerance="every failure answered, and with 503",
            detail=f"{len(failed)} of {len(due)} requests failed, {len(others)} otherwise;"
            f" by SQLSTATE: {_by_sqlstate(failed)}",
        )

    return _on_outage(name, claim, judge)


def all_endpoints_stay() -> Check:
    """As many endpoints are ready all the time as there are replicas."""
    name = "every pod stays in the Service"

    def judge(history: History) -> CheckResult:
        replicas = _fact(history, "replicas")
        window = verdict_window(history)
        changes = reach.reaches(history)
        inside = [each for each in changes if each.t in window]
        least = min(len(each.ready) for each in (reach.at(changes, window.begin), *inside))
        return CheckResult(
            name=name,
            ok=least >= replicas,
            claim="the number of ready endpoints never falls below that of the replicas",
            predicted=replicas,
            measured=least,
            formula="replicas; the smallest set of ready endpoints in the verdict window",
            tolerance=f">= {replicas}",
        )

    return Check(name, judge)


def recovers(*, within_s: float) -> Check:
    """The last failure comes soon after the database is back."""
    name = "it recovers by itself"
    claim = f"nothing fails any more {within_s:g} s after the return of the database"

    def judge(history: History, found: Outage) -> CheckResult:
        gone = _back(found)
        window = verdict_window(history)
        last = traffic.last_failure(traffic.failures(history, window))
        after_s = (last.done - gone) / NS if last else None
        watched = window.end > gone + within_s * NS
        return CheckResult(
            name=name,
            ok=after_s is not None and after_s <= within_s if watched else None,
            claim=claim,
            predicted=f"at most {within_s:g} s",
            measured=after_s,
            formula="answer of the last failure - the first look at the database that succeeded",
            tolerance="none: by that look the database was back already",
            detail="" if watched else "it was not watched long enough",
        )

    return _on_outage(name, claim, judge)


def leaves_within(history: History) -> tuple[float, str]:
    """Return how long a pod may stay in at most, in seconds, and the formula.

    Raises MissingEvidence where the stage does not tell how often the pod is probed.
    """
    probe = _probe(history)
    period, failures = probe["period_seconds"], probe["failure_threshold"]
    timeout = probe["timeout_seconds"]
    return (
        NO_LONGER_S + period * failures + timeout,
        f"the service's look ({SERVICE_LOOKS_S:g} + {LOOK_BOUND_S:g} s)"
        f" + {failures} probes x {period:g} s + {timeout:g} s for the last one",
    )


def _probe(history: History) -> Mapping[str, Any]:
    probe = history.facts.get("overrides", {}).get(READINESS)
    if not isinstance(probe, Mapping):
        raise MissingEvidence(f"the stage does not tell its {READINESS}")
    return probe


def _on_outage(name: str, claim: str, judge: Judge) -> Check:
    def judge_if_any(history: History) -> CheckResult:
        found = outage.find(history)
        if found is None:
            return CheckResult(name, False, claim, "an outage", "none", detail=outage.NEVER)
        return judge(history, found)

    return Check(name, judge_if_any)


def _first_without_ready(history: History, found: Outage) -> int | None:
    until = _back(found)
    changes = (each for each in reach.reaches(history) if found.answered <= each.t < until)
    return next((each.t for each in changes if not each.ready), None)


def _due_without_pods(history: History, found: Outage) -> list[Request]:
    """Return the requests on new connections that were due when no pod may be in any more."""
    within_s, _ = leaves_within(history)
    window = Window(found.lost + round(within_s * NS), found.window().end)
    return [each for each in traffic.requests(history, window) if each.stream == FRESH]


def _by_sqlstate(failed: Collection[Request]) -> str:
    counts = Counter(each.sqlstate or "none" for each in failed)
    return ", ".join(f"{code} {count}" for code, count in counts.most_common()) or "none failed"


def _known(found: Outage) -> Window:
    return Window(found.lost + round(NO_LONGER_S * NS), found.window().end)


def _back(found: Outage) -> int:
    if found.back is None:
        raise MissingEvidence("the database did not come back")
    return found.back


def _fact(history: History, name: str) -> int:
    if name not in history.facts:
        raise MissingEvidence(f"the stage does not tell {name}")
    return int(history.facts[name])
