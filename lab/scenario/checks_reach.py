"""Predictions about how many endpoints are ready, and what users get while none is.

A Service without a ready endpoint turns new connections away; one that exists stays with its
pod, ready or not (https://kubernetes.io/docs/reference/networking/virtual-ips/). So what is
predicted of all requests is predicted of those that make a connection each.
"""

import sys
from collections.abc import Sequence

from lab.scenario import moments, reach, traffic
from lab.scenario.events import NS
from lab.scenario.evidence import MissingEvidence, Window, verdict_window
from lab.scenario.history import History
from lab.scenario.model import Check, Moment
from lab.scenario.reach import Reach
from lab.scenario.traffic import FRESH, Request
from lab.scenario.verdict import CheckResult


def falls_to_none(cause: Moment, *, within_s: float) -> Check:
    """No endpoint is ready any more soon after `cause`."""
    name = f"no ready endpoint after {cause.sentence}"
    none_ready = moments.no_ready_endpoint()

    def judge(history: History) -> CheckResult:
        at, bound_s = cause.at(history), cause.bound(history) / NS
        try:
            after_s = (none_ready.at(history) - at) / NS
        except MissingEvidence as exc:
            after_s, detail = None, str(exc)
        else:
            detail = ""
        return CheckResult(
            name=name,
            ok=after_s is not None and -bound_s <= after_s <= within_s + bound_s,
            claim=f"within {within_s:g} s after {cause.sentence} no endpoint is ready",
            predicted=f"0 to {within_s:g} s",
            measured=after_s,
            formula="first set of endpoints without a ready one - the moment, in seconds",
            tolerance=f"both ends widened by {bound_s * 1000:.1f} ms, the bound of the two clocks",
            detail=detail,
        )

    return Check(name, judge)


def stays_at_none(since: Moment, until: Moment) -> Check:
    """From one moment to another there is never a ready endpoint."""
    name = f"no ready endpoint from {since.sentence} to {until.sentence}"

    def judge(history: History) -> CheckResult:
        most = max(_ready_counts(history, Window(since.at(history), until.at(history))))
        return CheckResult(
            name=name,
            ok=most == 0,
            claim=name,
            predicted=0,
            measured=most,
            formula="highest number of ready endpoints in that time",
            tolerance="none",
        )

    return Check(name, judge)


def never_fewer_ready_than_allowed() -> Check:
    """There are always as many ready endpoints as a rollout may leave."""
    name = "enough endpoints are ready all the time"

    def judge(history: History) -> CheckResult:
        replicas, fewer = (_fact(history, each) for each in ("replicas", "max_unavailable"))
        least = min(_ready_counts(history, verdict_window(history)))
        return CheckResult(
            name=name,
            ok=least >= replicas - fewer,
            claim=f"{replicas - fewer} endpoints or more are ready all the time",
            predicted=replicas - fewer,
            measured=least,
            formula=f"{replicas} replicas - {fewer} that may be unavailable",
            tolerance=f">= {replicas - fewer}",
        )

    return Check(name, judge)


def nobody_answers(since: Moment, until: Moment, *, at_least: float = 0.99) -> Check:
    """Whoever makes a connection between two moments is turned away, at every endpoint alike.

    A request that was on its way at the first moment may still have been answered.
    """
    name = f"nobody answers until {until.sentence}"

    def judge(history: History) -> CheckResult:
        due = _fresh(history, since, until)
        unheard = [each for each in due if each.failed and each.release is None]
        share = len(unheard) / len(due) if due else 0.0
        answered = {each.endpoint for each in due} - {each.endpoint for each in unheard}
        return CheckResult(
            name=name,
            ok=share >= at_least and not answered if due else None,
            claim=f"from {since.sentence} to {until.sentence} every new connection is turned away,"
            " whatever is asked for",
            predicted=at_least,
            measured=share,
            formula="requests on new connections without an answer / all of them",
            tolerance=f">= {at_least:.0%}, and of each endpoint",
            detail=_told(due, unheard),
        )

    return Check(name, judge)


def nobody_is_served(history: History) -> tuple[str, ...]:
    """A baseline: nothing is installed yet, so nobody is answered and no endpoint is ready.

    `history` may end within the baseline.
    """
    begins, ends = (history.first("phase", name=name) for name in ("baseline", "run"))
    window = Window(begins["t"] if begins else 0, ends["t"] if ends else sys.maxsize)
    seen = traffic.requests(history, window)
    answered = [request for request in seen if request.release is not None]
    ready = max(_ready_counts(history, window))
    return (
        *(("no request was seen",) if not seen else ()),
        *((f"{len(answered)} requests were answered, where nothing is",) if answered else ()),
        *((f"{ready} endpoints are ready, where nothing is",) if ready else ()),
    )


def _fresh(history: History, since: Moment, until: Moment) -> Sequence[Request]:
    window = Window(since.at(history), until.at(history))
    return [each for each in traffic.requests(history, window) if each.stream == FRESH]


def _told(due: Sequence[Request], unheard: Sequence[Request]) -> str:
    ways = sorted({each.outcome for each in unheard})
    return f"{len(unheard)} of {len(due)} requests ({', '.join(ways) or 'all were answered'})"


def _ready_counts(history: History, window: Window) -> Sequence[int]:
    """Return how many endpoints were ready in `window`, one number a change."""
    changes: Sequence[Reach] = reach.reaches(history)
    found = [reach.at(changes, window.begin)]
    found += [each for each in changes if window.begin < each.t < window.end]
    return [len(each.ready) for each in found]


def _fact(history: History, name: str) -> int:
    if name not in history.facts:
        raise MissingEvidence(f"the stage does not tell {name}")
    return int(history.facts[name])
