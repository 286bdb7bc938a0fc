"""Predictions about whom it hurts and whom not, and about when it is over."""

from collections.abc import Collection

from lab.scenario import stats, traffic
from lab.scenario.events import NS
from lab.scenario.evidence import verdict_window
from lab.scenario.history import History
from lab.scenario.model import Check, Moment
from lab.scenario.signature import Signature
from lab.scenario.verdict import CheckResult


def unharmed(endpoints: Collection[str], *, rate_below: float) -> Check:
    """Nothing fails at these endpoints, in traffic enough to tell `rate_below` from none."""
    named = ", ".join(endpoints)
    name = f"unharmed: {named}"

    def judge(history: History) -> CheckResult:
        window = verdict_window(history)
        due = [r for r in traffic.requests(history, window) if r.endpoint in endpoints]
        failed = sum(1 for request in due if request.failed)
        limit = stats.rule_of_three(len(due)) if due else 1.0
        return CheckResult(
            name=name,
            ok=False if failed else True if limit <= rate_below else None,
            claim=f"no request to {named} fails",
            predicted=0,
            measured=failed,
            formula="failures at these endpoints in the verdict window",
            tolerance=f"none; 3/n must be at most {rate_below:.2%}",
            detail=f"{failed} of {len(due)} requests",
        )

    return Check(name, judge)


def only(signature: Signature) -> Check:
    """Some requests fail in this way, and none in any other."""
    name = f"nothing fails but {signature.label}"

    def judge(history: History) -> CheckResult:
        failed = traffic.failures(history, verdict_window(history))
        others = [request for request in failed if not signature.fits(request)]
        ways = sorted({f"{r.release} x {r.sqlstate or r.outcome} at {r.endpoint}" for r in others})
        return CheckResult(
            name=name,
            ok=len(failed) > len(others) == 0,
            claim=f"every failure is {signature.label} at {', '.join(signature.endpoints)}",
            predicted=0,
            measured=len(others),
            formula="failures without the signature; there must be some with it",
            tolerance="none",
            detail=f"{len(failed)} failures" + (f"; {', '.join(ways[:3])}" if ways else ""),
        )

    return Check(name, judge)


def ends_soon_after(moment: Moment, *, within_s: float) -> Check:
    """The last user error comes soon after `moment`, or before it."""
    name = f"no failure once {moment.sentence} was {within_s:g} s ago"

    def judge(history: History) -> CheckResult:
        at, bound_s = moment.at(history), moment.bound(history) / NS
        window = verdict_window(history)
        last = traffic.last_failure(traffic.failures(history, window))
        after_s = (last.done - at) / NS if last else None
        seen_s = (window.end - at) / NS - within_s
        return CheckResult(
            name=name,
            ok=None if seen_s <= 0 else after_s is not None and after_s <= within_s + bound_s,
            claim=f"the last failure comes within {within_s:g} s after {moment.sentence}",
            predicted=f"at most {within_s:g} s",
            measured=after_s,
            formula="answer of the last failure - the moment, in seconds",
            tolerance=f"widened by {bound_s * 1000:.1f} ms, the bound of the two clocks",
            detail=f"watched for {seen_s:.1f} s more" if last else "no request failed",
        )

    return Check(name, judge)
