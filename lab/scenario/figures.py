"""What goes on the first page: how far it reached, how long nobody was told, what was lost."""

from collections.abc import Sequence

from lab.scenario import silence, traffic
from lab.scenario.events import NS
from lab.scenario.evidence import MissingEvidence, Window, verdict_window
from lab.scenario.history import History
from lab.scenario.model import Moment, Variant
from lab.scenario.traffic import Request
from lab.scenario.verdict import Figures

STILL_FAILING_S = 1.0
"""A failure this close to the end of the window means that it had not recovered."""


def compute(history: History, variant: Variant) -> Figures:
    """Return the figures of a run, also of one that broke off: then of what there is."""
    window = window_of(history)
    due = traffic.requests(history, window)
    failed = [request for request in due if request.failed]
    hurt = _hurt(failed)
    unheard = silence.measure(history, window, failed)
    audit = history.last("audit_done") or {}
    return Figures(
        requests=len(due),
        failures=len(failed),
        blast_requests=_share(sum(1 for r in due if hurt and r.t in hurt), len(failed)),
        blast_sessions=_blast_sessions(history, hurt),
        blast_endpoints=_share(len({r.endpoint for r in due}), len({r.endpoint for r in failed})),
        silent_s=unheard.seconds,
        recovery_s=_recovery_s(failed, window),
        overhang_s=_overhang_s(failed, history, variant.cause_gone),
        lost_writes=audit.get("lost"),
        ambiguous_writes=audit.get("ambiguous"),
        duplicated_writes=audit.get("duplicated"),
        wall_s=_wall_s(history),
        resolution_s=traffic.resolution_s(history),
        signal=unheard.signal,
    )


def window_of(history: History) -> Window:
    """Return what counts; of a run that broke off, what there is of it."""
    try:
        return verdict_window(history)
    except MissingEvidence:
        times = [event["t"] for event in history.events]
        begin = history.first("phase", name="run")
        end = max(times, default=0) + 1
        return Window(begin["t"] if begin else end, end)


def _hurt(failed: Sequence[Request]) -> Window | None:
    """Return the time from the first to the last request that failed, by when they were due."""
    return Window(failed[0].t, failed[-1].t + 1) if failed else None


def _share(of: int, part: int) -> float:
    return part / of if of else 0.0


def _blast_sessions(history: History, hurt: Window | None) -> float:
    if hurt is None:
        return 0.0
    visits = traffic.sessions(history, hurt)
    return _share(len(visits), sum(1 for visit in visits if not visit.ok))


def _recovery_s(failed: Sequence[Request], window: Window) -> float | None:
    first, last = traffic.first_failure(failed), traffic.last_failure(failed)
    if first is None or last is None:
        return 0.0
    if window.end - last.t < STILL_FAILING_S * NS:
        return None
    return (last.done - first.done) / NS


def _overhang_s(
    failed: Sequence[Request], history: History, cause_gone: Moment | None
) -> float | None:
    if cause_gone is None:
        return None
    try:
        gone = cause_gone.at(history)
    except MissingEvidence:
        return None
    last = traffic.last_failure(failed)
    return max(0.0, (last.done - gone) / NS) if last else 0.0


def _wall_s(history: History) -> float:
    times = [event["t"] for kind in ("run", "phase") for event in history.of(kind)]
    return (max(times) - min(times)) / NS if times else 0.0
