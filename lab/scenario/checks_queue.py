"""Predictions about a queue for a lock: who is at its head, and for how long nobody is served.

A stall is the longest time in which no request to some endpoints was answered well. It is
measured from answer to answer, so it needs no rate of failures, and what was answered late
ends it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise

from lab.scenario import queues, size, traffic
from lab.scenario.events import NS
from lab.scenario.evidence import Window, verdict_window
from lab.scenario.history import History
from lab.scenario.model import Check, Moment
from lab.scenario.traffic import FRESH, KEEPALIVE, Request
from lab.scenario.verdict import CheckResult

UNAVAILABLE = 503
DRAIN_SHARE = 0.25
"""At rest a service uses a fifth of what it could, or less: then a queue is served in a quarter
of the time in which it came about, beside what comes meanwhile."""
READ_TIMEOUT = "read_timeout"


@dataclass(frozen=True, slots=True)
class Wait:
    """A lock was asked for behind a session of `application`, and given at `until`."""

    application: str
    until: Moment

    def window(self, history: History) -> Window | None:
        """Return from when to when it was waited; None where nobody waited at all."""
        first = queues.behind(history, verdict_window(history), self.application)
        return Window(first.since, self.until.at(history)) if first else None


def is_at_the_head(application: str, *, at_least: float = 0.9) -> Check:
    """Whoever waits, waits in the end for `application`, and for no one else."""
    name = f"{application} is at the head of the queue"

    def judge(history: History) -> CheckResult:
        found = queues.queues(history, verdict_window(history))
        fitting = [queue for queue in found if queue.roots == (application,)]
        share = len(fitting) / len(found) if found else 0.0
        heads = sorted({root for queue in found for root in queue.roots})
        most = max((queue.waiting for queue in found), default=0)
        return CheckResult(
            name=name,
            ok=bool(found) and share >= at_least,
            claim=f"of those who block, {application} alone waits for nobody",
            predicted=application,
            measured=", ".join(heads) or "nobody",
            formula="sessions that block others (pg_blocking_pids) and do not wait themselves",
            tolerance=f">= {at_least:.0%} of the samples in which somebody waits",
            detail=f"{len(fitting)} of {len(found)} samples; up to {most} waited"
            if found
            else "nobody waited for a lock",
        )

    return Check(name, judge)


def stalls(endpoints: Collection[str], wait: Wait) -> Check:
    """No answer comes from these endpoints while the lock is waited for, and little longer.

    Before, the connections of the pools must be used up. Afterwards, what had queued for them
    is served first, also for clients that have gone, which is predicted to take at most
    `DRAIN_SHARE` of the time in which it queued. Either end is uncertain by as long as a
    request may be in flight.
    """
    name = f"stall of {', '.join(endpoints)}"

    def judge(history: History) -> CheckResult:
        waited, stall = wait.window(history), _longest_stall(history, endpoints)
        in_flight_s = traffic.total_timeout_ns(history) / NS
        predicted_s = waited.seconds if waited else 0.0
        late_s = in_flight_s + DRAIN_SHARE * predicted_s
        is_near = -in_flight_s <= stall.seconds - predicted_s <= late_s
        too_short = waited is not None and predicted_s <= 2 * in_flight_s
        return CheckResult(
            name=name,
            ok=None if too_short else waited is not None and is_near,
            claim=f"no good answer from when the lock was asked for to {wait.until.sentence}",
            predicted=round(predicted_s, 2) if waited else None,
            measured=stall.seconds,
            formula=f"{wait.until.sentence} - when the first one began to wait behind"
            f" {wait.application}, in seconds",
            tolerance=f"-{in_flight_s:g} s, for which a request may be in flight, to"
            f" +{late_s:.1f} s: {DRAIN_SHARE:.0%} more, in which the queue is served",
            detail=_why(waited, too_short=too_short),
        )

    return Check(name, judge)


def _why(waited: Window | None, *, too_short: bool) -> str:
    if waited is None:
        return "nobody waited for a lock"
    return "the wait was too short to be told from a slow answer" if too_short else ""


def stalls_at_most(endpoints: Collection[str], *, lock_timeout_s: float, slack_s: float) -> Check:
    """However often the lock is asked for, nobody is held up for longer than one try of it."""
    name = f"longest stall of {', '.join(endpoints)}"

    def judge(history: History) -> CheckResult:
        stall, bound_s = _longest_stall(history, endpoints), lock_timeout_s + slack_s
        return CheckResult(
            name=name,
            ok=stall.seconds <= bound_s,
            claim=f"no time without a good answer is longer than {bound_s:g} s",
            predicted=bound_s,
            measured=stall.seconds,
            formula=f"lock_timeout {lock_timeout_s:g} s + {slack_s:g} s to serve who had queued",
            tolerance=f"<= {bound_s:g} s",
        )

    return Check(name, judge)


def as_many_as_the_stall_makes(endpoints: Collection[str], *, within: float = 0.1) -> Check:
    """Whoever comes during the stall fails, but for those who still wait when it ends."""
    name = f"number of failures at {', '.join(endpoints)}"

    def judge(history: History) -> CheckResult:
        stall, rate = _longest_stall(history, endpoints), _rate(history, endpoints)
        in_flight_s = traffic.total_timeout_ns(history) / NS
        predicted = rate * max(0.0, stall.seconds - in_flight_s)
        allowed = size.allowed(predicted, within=within)
        measured = len(_failures(history, endpoints))
        return CheckResult(
            name=name,
            ok=abs(measured - predicted) <= allowed < predicted,
            claim="as many requests fail as were due during the stall, but for its last seconds",
            predicted=round(predicted),
            measured=measured,
            formula=f"{rate:g} requests/s x ({stall.seconds:.1f} s of stall - {in_flight_s:g} s"
            " for which a request may be in flight)",
            tolerance=size.tolerance(allowed, within=within),
            detail="" if predicted else "there was no stall that long",
        )

    return Check(name, judge)


def only_timeouts(endpoints: Collection[str], *, at_least: float = 0.95) -> Check:
    """They fail because no answer came in time; the database refused nothing.

    Either the client gave up, or the pod after waiting for a connection (503 without SQLSTATE).
    """
    name = "nothing is refused, only late"

    def judge(history: History) -> CheckResult:
        failed = traffic.failures(history, verdict_window(history))
        late = sum(1 for r in failed if r.endpoint in endpoints and _is_late(r))
        refused = sum(1 for request in failed if request.sqlstate)
        share = late / len(failed) if failed else 0.0
        return CheckResult(
            name=name,
            ok=bool(failed) and share >= at_least and not refused,
            claim=f"at least {at_least:.0%} of the failures are waits that were given up, at"
            f" {', '.join(endpoints)}; none has an SQLSTATE",
            predicted=at_least,
            measured=share,
            formula="client's timeouts and 503 without SQLSTATE / failures",
            tolerance=f">= {at_least:.0%}",
            detail=f"{late} of {len(failed)} failures; {refused} with an SQLSTATE",
        )

    return Check(name, judge)


def _is_late(request: Request) -> bool:
    gave_up = request.status == UNAVAILABLE and request.sqlstate is None
    return request.outcome == READ_TIMEOUT or gave_up


def _failures(history: History, endpoints: Collection[str]) -> list[Request]:
    failed = traffic.failures(history, verdict_window(history))
    return [request for request in failed if request.endpoint in endpoints]


def _rate(history: History, endpoints: Collection[str]) -> float:
    return sum(traffic.rate(history, stream, endpoints) for stream in (FRESH, KEEPALIVE))


def _longest_stall(history: History, endpoints: Collection[str]) -> Window:
    """Return the longest time without a good answer; begin and end of the window count as one."""
    window = verdict_window(history)
    found = traffic.requests(history, window)
    good = sorted(r.done for r in found if r.endpoint in endpoints and not r.failed)
    times = [window.begin, *(t for t in good if t < window.end), window.end]
    return max((Window(*pair) for pair in pairwise(times)), key=lambda stall: stall.seconds)
