"""Does it stop once the cause is gone, for who comes anew and for who stays connected?

A new connection goes where some kube-proxy sends it, which may not know yet. On a connection that
is kept a request meets the pod at its other end, or nobody: there only clocks can be late.
"""

from collections.abc import Mapping, Sequence

from lab.scenario import traffic
from lab.scenario.events import NS
from lab.scenario.evidence import verdict_window
from lab.scenario.history import History
from lab.scenario.model import Check, Moment
from lab.scenario.traffic import FRESH, KEEPALIVE, Request
from lab.scenario.verdict import CheckResult

CLOCKS_S = 0.5
"""How much later than its cause a moment may be told, and a request be sent than it was due."""


def silent_after(*, fresh: Moment, keepalive: Moment) -> Check:
    """Nothing fails any more once the cause is out of reach, for each stream in its own time.

    It takes one request of each stream at least to tell.
    """
    name = "no failure once the cause is gone"

    def judge(history: History) -> CheckResult:
        in_flight = traffic.total_timeout_ns(history)
        since = {FRESH: fresh.at(history), KEEPALIVE: keepalive.at(history)}
        due = due_after(history, since, in_flight)
        late = [request for request in due if request.failed]
        unasked = [stream for stream in since if stream not in {each.stream for each in due}]
        return CheckResult(
            name=name,
            ok=False if late else None if unasked else True,
            claim=f"no fresh request fails after {fresh.sentence}, none on a kept connection"
            f" after {keepalive.sentence}",
            predicted=0,
            measured=len(late),
            formula="failures due later than the moment + the time a request may be in flight on a"
            " new connection, or clocks may be late on a kept one",
            tolerance=f"{in_flight / NS:g} s in flight, {CLOCKS_S:g} s for clocks",
            detail=_of(late, due, unasked),
        )

    return Check(name, judge)


def due_after(history: History, since: Mapping[str, int], in_flight: int) -> tuple[Request, ...]:
    """Return the requests of the verdict window that may not meet the cause any more, in ns."""
    return tuple(
        request
        for request in traffic.requests(history, verdict_window(history))
        if request.t
        > since[request.stream] + (round(CLOCKS_S * NS) if request.reused else in_flight)
    )


def _of(late: Sequence[Request], due: Sequence[Request], unasked: Sequence[str]) -> str:
    told = f"{len(late)} of {len(due)} requests"
    return f"{told}; no request of {', '.join(unasked)} came so late" if unasked else told
