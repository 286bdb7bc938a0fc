"""Predictions that a scenario can make, each a pure function of the closed history.

Windows come from what was observed, never from "step started + n seconds". A check that
cannot see (no such event, too little traffic) raises MissingEvidence or says `ok=None`;
both make the run invalid, and neither ever passes.
"""

from collections.abc import Collection, Mapping

from lab.scenario import posts, predictions, size, stats, traffic
from lab.scenario.events import NS, Event
from lab.scenario.evidence import MissingEvidence, Window, verdict_window
from lab.scenario.history import History
from lab.scenario.model import Check, Invariant, Moment
from lab.scenario.signature import Signature
from lab.scenario.traffic import Request
from lab.scenario.verdict import CheckResult


def mostly(signature: Signature, *, at_least: float = 0.95) -> Check:
    """Nearly all failures have this signature; red for another reason is not reproduced."""
    name = f"failures are {signature.label}"

    def judge(history: History) -> CheckResult:
        failed = traffic.failures(history, verdict_window(history))
        fitting = sum(1 for request in failed if signature.fits(request))
        share = fitting / len(failed) if failed else 0.0
        return CheckResult(
            name=name,
            ok=bool(failed) and share >= at_least,
            claim=f"at least {at_least:.0%} of the failures come from {signature.release},"
            f" with SQLSTATE {signature.sqlstate or 'none'}, at {', '.join(signature.endpoints)}",
            predicted=at_least,
            measured=share,
            formula="failures with the signature / failures",
            tolerance=f">= {at_least:.0%}",
            detail=f"{fitting} of {len(failed)} failures" if failed else "no request failed",
        )

    return Check(name, judge)


def fails_soon_after(moment: Moment, *, within_s: float) -> Check:
    """The first user error follows `moment` closely, and does not come before it."""
    name = f"first failure follows {moment.sentence}"

    def judge(history: History) -> CheckResult:
        at, bound_s = moment.at(history), moment.bound(history) / NS
        first = traffic.first_failure(traffic.failures(history, verdict_window(history)))
        after_s = (first.done - at) / NS if first else None
        return CheckResult(
            name=name,
            ok=after_s is not None and -bound_s <= after_s <= within_s + bound_s,
            claim=f"the first failure comes within {within_s:g} s after {moment.sentence}",
            predicted=f"0 to {within_s:g} s",
            measured=after_s,
            formula="answer of the first failure - commit, in seconds",
            tolerance=f"both ends widened by {bound_s * 1000:.1f} ms, the bound of the two clocks",
            detail="" if first else "no request failed",
        )

    return Check(name, judge)


def as_many_as_predicted(
    signature: Signature,
    *,
    since: Moment,
    until: Moment | None = None,
    stream: str,
    within: float = 0.25,
) -> Check:
    """The size of the effect on one stream is what the observed rollout makes of it.

    `until` is when the cause is gone; None: with the last pod of the release. A prediction so
    small that no failure at all would be near enough tells nothing.
    """
    name = f"number of failures, {stream}"

    def judge(history: History) -> CheckResult:
        end = until.at(history) if until else verdict_window(history).end
        window = Window(since.at(history), end)
        predict = predictions.BY_STREAM[stream]
        predicted = predict(history, signature.release, signature.endpoints, window)
        measured = _count(history, signature, stream)
        allowed = size.allowed(predicted.count, within=within)
        return CheckResult(
            name=name,
            ok=size.is_near(measured, predicted.count, allowed),
            claim=f"{stream}: as many requests fail as meet {signature.release}"
            f" after {since.sentence}" + (f" and before {until.sentence}" if until else ""),
            predicted=round(predicted.count, 1),
            measured=measured,
            formula=predicted.formula,
            tolerance=size.tolerance(allowed, within=within),
            detail="" if predicted.count > allowed else "too few to tell",
        )

    return Check(name, judge)


def _count(history: History, signature: Signature, stream: str) -> int:
    failed = traffic.failures(history, verdict_window(history))
    return sum(1 for r in failed if r.stream == stream and signature.fits(r))


def no_failures(*, rate_below: float) -> Check:
    """Nothing fails, in traffic enough to tell a failure rate of `rate_below` from none."""
    name = "no failure"

    def judge(history: History) -> CheckResult:
        due = traffic.requests(history, verdict_window(history))
        failed = [request for request in due if request.failed]
        limit = stats.rule_of_three(len(due)) if due else 1.0
        return CheckResult(
            name=name,
            ok=False if failed else True if limit <= rate_below else None,
            claim="no request fails while the change is made",
            predicted=0,
            measured=len(failed),
            formula="failures in the verdict window",
            tolerance=f"none; 3/n must be at most {rate_below:.2%}",
            detail=f"{_of(failed, due)}; up to {limit:.2%} could fail and not be seen (95 %)",
        )

    return Check(name, judge)


def _of(failed: Collection[Request], due: Collection[Request]) -> str:
    return f"{len(failed)} of {len(due)} requests"


def no_session_fails(*, rate_below: float) -> Check:
    """No user's visit fails, in visits enough to tell a failure rate of `rate_below` from none.

    A visit meets what single requests do not: the page of one release with the API of
    another, and its own post read back through a release that did not write it. One that
    began before the change counts too, if it was met by it.
    """
    name = "no session fails"

    def judge(history: History) -> CheckResult:
        visits = traffic.sessions(history, verdict_window(history))
        failed = sum(1 for visit in visits if not visit.ok)
        limit = stats.rule_of_three(len(visits)) if visits else 1.0
        return CheckResult(
            name=name,
            ok=False if failed else True if limit <= rate_below else None,
            claim="no user's session fails while the change is made",
            predicted=0,
            measured=failed,
            formula="failed sessions in the verdict window",
            tolerance=f"none; 3/n must be at most {rate_below:.2%}",
            detail=f"{failed} of {len(visits)} sessions;"
            f" up to {limit:.2%} could fail and not be seen (95 %)",
        )

    return Check(name, judge)


def holds(invariant: Invariant) -> Check:
    """The data is as it should be, asked after the run."""

    def judge(history: History) -> CheckResult:
        event = history.last("invariant", name=invariant.name)
        if event is None:
            raise MissingEvidence(f"the invariant {invariant.name!r} was not asked")
        value, error = event.get("value"), event.get("error")
        return CheckResult(
            name=invariant.name,
            ok=None if value is None else value == invariant.expected,
            claim=invariant.name,
            predicted=invariant.expected,
            measured=value,
            formula=invariant.sql,
            tolerance="none",
            detail=f"not answered: {error}" if value is None else "",
        )

    return Check(invariant.name, judge)


def no_write_is_lost() -> Check:
    """Every chirp that was acknowledged is stored, stored once, and can be read unchanged.

    One that nobody could be made to read back, either way, leaves it open.
    """
    name = "no write is lost, stored twice or unreadable"

    def judge(history: History) -> CheckResult:
        if not history.of("audit_done"):
            raise MissingEvidence("the audit of writes did not end")
        found = posts.fates(history)
        bad = found["lost"] + found["duplicated"] + found["unreadable"]
        can_tell = found["acked"] > 0 and found["unread"] == 0
        return CheckResult(
            name=name,
            ok=False if bad else True if can_tell else None,
            claim="every acknowledged chirp is stored exactly once and can be read",
            predicted=0,
            measured=bad,
            formula="acknowledged and not stored + stored more than once"
            " + acknowledged and not readable as it was",
            tolerance="none",
            detail=f"{found['acked']} acknowledged; {found['lost']} lost,"
            f" {found['duplicated']} twice, {found['unreadable']} unreadable,"
            f" {found['unread']} not read back, {found['ambiguous']} ambiguous",
        )

    return Check(name, judge)


def readable_through(release: str, *, since: Moment, until: Moment) -> Check:
    """What was acknowledged between two moments can be read, unchanged, from `release`."""
    name = f"acknowledged chirps are readable through {release}"

    def judge(history: History) -> CheckResult:
        window = Window(since.at(history), until.at(history))
        acked = _acknowledged(history, window)
        read = [e for e in acked.values() if e is not None and e["readable"] is not None]
        good = [e for e in read if _reads_well(e, release)]
        unread = len(acked) - len(read)
        return CheckResult(
            name=name,
            ok=None if unread or not acked else len(good) == len(acked),
            claim=f"every chirp acknowledged from {since.sentence} to {until.sentence}"
            f" is readable and unchanged through {release}",
            predicted=len(acked),
            measured=len(good),
            formula="chirps acknowledged in the window, to requests and in sessions;"
            " each read back after the run",
            tolerance="none",
            detail=f"{unread} were not read back" if unread else "",
        )

    return Check(name, judge)


def _acknowledged(history: History, window: Window) -> Mapping[str, Event | None]:
    """Return by ref the audit's line for each chirp that was acknowledged in `window`."""
    audited = {event["ref"]: event for event in history.of("audit")}
    posted = (post for post in posts.acknowledged(history) if post.is_in(window))
    return {post.ref: audited.get(post.ref) for post in posted}


def _reads_well(event: Event, release: str) -> bool:
    return (event["readable"], event["matches"], event["release"]) == (True, True, release)
