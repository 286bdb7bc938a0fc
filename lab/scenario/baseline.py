"""Was the service well before anything was done to it? An A/A test of the measurement.

A scenario names what must hold (`Scenario.baseline`). It is asked twice: by the runner
while the baseline lasts, so that a run that can prove nothing ends at once, and when the
run is judged.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from lab.scenario import reach, stats, traffic
from lab.scenario.evidence import MissingEvidence, Window, baseline_window
from lab.scenario.history import History
from lab.scenario.traffic import FRESH, Request

SHARE_SIGMAS = 5
"""With a hundred looks at four pods, chance exceeds this once in ten thousand runs."""

PATIENCE_SHARE = 1 / 3
"""How much of a request's whole time (`total_timeout_s` of the load) 99 % may need at rest.

The client gives a request up after that time, and a rollout takes CPU from what serves, so
whatever is answered late at rest is a timeout then: a failure which says nothing about the
change. With a third a rollout may make the slowest three times as slow. The limit follows
the load of the run, since a number of milliseconds would be true of one machine only.
"""

Problems = Iterator[str]


def clean_traffic(history: History) -> tuple[str, ...]:
    """The usual baseline, an A/A test: traffic runs, nothing fails or is slow, each pod
    gets its share.

    `history` may end within the baseline.
    """
    try:
        window = baseline_window(history)
    except MissingEvidence:
        # Asked while it lasts: up to what was seen last.
        window = Window(_baseline_began(history), _last_seen(history) + 1)
    seen = traffic.requests(history, window)
    failed = [request for request in seen if request.failed]
    if not seen:
        return ("no request was seen",)
    if failed:
        ways = Counter(request.outcome for request in failed)
        told = ", ".join(f"{count} x {outcome}" for outcome, count in ways.most_common())
        return (f"{len(failed)} of {len(seen)} requests failed before anything was done ({told})",)
    return (
        *_failed_sessions(history, window),
        *_slow(history, seen),
        *_implausible_shares(history, seen, window),
    )


def _failed_sessions(history: History, window: Window) -> Problems:
    """Only what had ended: one that the change met half-way is no baseline."""
    visits = [v for v in traffic.sessions(history, window) if v.done < window.end]
    failed = sum(1 for visit in visits if not visit.ok)
    if failed:
        yield f"{failed} of {len(visits)} sessions failed before anything was done"
    if not visits and history.load.get("sessions_per_s", 0) > 0:
        yield "no session was seen"


def _slow(history: History, seen: Sequence[Request]) -> Problems:
    """From when a request was due, so that a client which waits for an answer hides nothing."""
    try:
        patience_ns = traffic.total_timeout_ns(history)
    except MissingEvidence as exc:
        yield str(exc)
        return
    p99 = stats.percentile([request.done - request.t for request in seen], 0.99)
    allowed = PATIENCE_SHARE * patience_ns
    if p99 > allowed:
        yield (
            f"it was slow before anything was done: p99 {p99 / 1e6:.0f} ms,"
            f" allowed {allowed / 1e6:.0f} ms"
        )


def _baseline_began(history: History) -> int:
    phase = history.first("phase", name="baseline")
    return int(phase["t"]) if phase else 0


def _last_seen(history: History) -> int:
    return max((event["t"] for event in history.of("request")), default=0)


def _implausible_shares(history: History, seen: Sequence[Request], window: Window) -> Problems:
    try:
        ready = reach.at(reach.reaches(history), window.end).ready
    except MissingEvidence as exc:
        yield str(exc)
        return
    fresh = [request for request in seen if request.stream == FRESH]
    strangers = {r.release for r in seen if r.release not in ready}
    if strangers:
        yield f"{', '.join(sorted(map(str, strangers)))} answered, and is no ready endpoint"
    answered = Counter(request.pod for request in fresh)
    if len(answered) > len(ready):
        yield f"{len(answered)} pods answered, {len(ready)} are ready"
    elif fresh and ready:
        yield from _skewed(answered, pods=len(ready), of=len(fresh))


def _skewed(answered: Counter[str | None], *, pods: int, of: int) -> Problems:
    """A new connection meets each pod with the same probability, so counts are binomial."""
    expected = of / pods
    allowed = SHARE_SIGMAS * math.sqrt(expected * (1 - 1 / pods)) + 1
    counts = [*answered.values(), *([0] * (pods - len(answered)))]
    for count in counts:
        if abs(count - expected) > allowed:
            yield (
                f"a pod got {count} of {of} new connections,"
                f" expected {expected:.0f} +- {allowed:.0f}"
            )
