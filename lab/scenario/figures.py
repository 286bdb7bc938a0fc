"""What goes on the first page: how far it reached, how long nobody was told, what was lost."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lab.scenario import traffic
from lab.scenario.events import NS, Event
from lab.scenario.evidence import MissingEvidence, Window, verdict_window
from lab.scenario.history import History
from lab.scenario.model import Moment, Variant
from lab.scenario.traffic import Request
from lab.scenario.verdict import Figures

STILL_FAILING_S = 1.0
"""A failure this close to the end of the window means that it had not recovered."""


def compute(history: History, variant: Variant) -> Figures:
    """Return the figures of a run, also of one that broke off: then of what there is."""
    window = _window(history)
    due = traffic.requests(history, window)
    failed = [request for request in due if request.failed]
    hurt = _hurt(failed)
    signal = _first_signal(history, window)
    audit = history.last("audit_done") or {}
    return Figures(
        requests=len(due),
        failures=len(failed),
        blast_requests=_share(sum(1 for r in due if hurt and r.t in hurt), len(failed)),
        blast_sessions=_blast_sessions(history, hurt),
        blast_endpoints=_share(len({r.endpoint for r in due}), len({r.endpoint for r in failed})),
        silent_s=_silent_s(failed, signal),
        recovery_s=_recovery_s(failed, window),
        overhang_s=_overhang_s(failed, history, variant.cause_gone),
        lost_writes=audit.get("lost"),
        ambiguous_writes=audit.get("ambiguous"),
        duplicated_writes=audit.get("duplicated"),
        wall_s=_wall_s(history),
        resolution_s=traffic.resolution_s(history),
        signal=signal.what if signal else None,
    )


def _window(history: History) -> Window:
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


# What an operator would be told, without having looked for it.


@dataclass(frozen=True, slots=True)
class Signal:
    t: int
    what: str


def _silent_s(failed: Sequence[Request], signal: Signal | None) -> float | None:
    first = traffic.first_failure(failed)
    if first is None or signal is None:
        return None
    return max(0.0, (signal.t - first.done) / NS)


def _first_signal(history: History, window: Window) -> Signal | None:
    signals = (
        *_warnings(history),
        *_restarts(history),
        *_failed_jobs(history),
        *_false_conditions(history),
        *_nodes(history),
    )
    within = (signal for signal in signals if signal.t in window)
    return min(within, key=lambda signal: signal.t, default=None)


def _warnings(history: History) -> Iterator[Signal]:
    for event in history.of("event"):
        if event["type"] == "Warning":
            yield Signal(event["t"], f"event {event['reason']} of {event['object']}")


def _restarts(history: History) -> Iterator[Signal]:
    known: dict[str, int] = {}
    for event in history.of("pod"):
        if event["restarts"] > known.get(event["name"], event["restarts"]):
            yield Signal(event["t"], f"restart of pod {event['name']}")
        known[event["name"]] = event["restarts"]


def _failed_jobs(history: History) -> Iterator[Signal]:
    for event in history.of("job"):
        if any(_is(condition, "Failed", "True") for condition in event["conditions"]):
            yield Signal(event["t"], f"job {event['name']} failed")


def _false_conditions(history: History) -> Iterator[Signal]:
    """A condition that turns false; one that is false from the start tells nothing new."""
    known: dict[tuple[str, str], str] = {}
    for event in history.of("deployment"):
        for condition in event["conditions"]:
            key = (event["name"], condition["type"])
            if condition["status"] == "False" and known.get(key, "False") != "False":
                yield Signal(
                    event["t"],
                    f"deployment {event['name']}: {condition['type']} is False"
                    f" ({condition.get('reason', '')})",
                )
            known[key] = condition["status"]


def _nodes(history: History) -> Iterator[Signal]:
    known: dict[str, bool] = {}
    for event in history.of("node"):
        if known.get(event["name"]) and not event["ready"]:
            yield Signal(event["t"], f"node {event['name']} is not Ready")
        known[event["name"]] = event["ready"]


def _is(condition: Event, kind: str, status: str) -> bool:
    return condition.get("type") == kind and condition.get("status") == status
