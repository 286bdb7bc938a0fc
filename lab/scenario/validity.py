"""Why might this run prove nothing?

A verdict is only as good as the measurement, so everything that could make the history
a wrong picture of the service is a reason, in a sentence, and one reason is enough.
What the client itself did badly counts within the verdict window only.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from lab.scenario import stats, traffic
from lab.scenario.events import NS, Event, is_observed
from lab.scenario.evidence import Window, verdict_window
from lab.scenario.history import History
from lab.scenario.model import Scenario, Variant

LAG_P99_MS = 20.0
LAG_MAX_MS = 250.0
SILENT_OBSERVER_S = 5.0
WATCH_GAP_S = 2.0

PHASES = ("setup", "baseline", "run", "recover", "settle", "verify", "teardown")

Reasons = Iterator[str]


def reasons(history: History, scenario: Scenario, variant: Variant) -> tuple[str, ...]:
    """Return every reason why nothing may be concluded from the run; empty when it is sound."""
    causes = [*_broken_off(history), *_baseline(history, scenario)]
    unfinished = tuple(_unfinished(history))
    if causes and (unfinished or history.of("lost")):
        # What is missing is missing because the run broke off, and would hide the cause.
        return tuple(causes)
    found = [*causes, *unfinished, *_cut(history), *_faults(history, variant)]
    if not unfinished:
        window = verdict_window(history)
        for look in (_client_lag, _client_silent, _watchers):
            found += look(history, window)
        found += _audit(history)
    return tuple(dict.fromkeys(found))


def _baseline(history: History, scenario: Scenario) -> Reasons:
    if history.first("phase", name="baseline"):
        for problem in scenario.baseline(history):
            yield f"baseline: {problem}"


def _broken_off(history: History) -> Reasons:
    """What the runner noticed itself."""
    for event in history.of("fault"):
        if event["what"] in ("unobserved", "failed"):
            yield f"{event['name']}: {event.get('detail') or event['what']}"
    for event in history.of("lost"):
        yield f"{event['what']} lost: {event.get('detail', '')}"
    for event in history.of("step"):
        if event["what"] == "timed_out" and event["name"] != "settle":
            yield f"step {event['name']!r} waited in vain until {event.get('detail', '')}"


def _unfinished(history: History) -> Reasons:
    run = history.of("run")
    if len(run) != 1:
        yield f"the history tells the beginning of {len(run)} runs"
    began = [event["name"] for event in history.of("phase")]
    missing = [name for name in PHASES if name not in began]
    if missing:
        yield f"the run did not come to its end: no {', '.join(missing)}"
    elif began != list(PHASES):
        yield f"the phases came in another order: {', '.join(began)}"


def _cut(history: History) -> Reasons:
    """Every request that was planned has one line, and every stream came whole."""
    if history.truncated:
        yield "the last line of the history was cut"
    instances = {event["instance"] for event in history.of("stream")}
    if len(instances) > 1:
        yield f"the observer was restarted: {len(instances)} instances"
    opened = [event["stream"] for event in history.of("stream")]
    closed = [event["stream"] for event in history.of("closed")]
    if not opened:
        yield "no stream of the observer was recorded"
    for name in sorted(set(opened) - set(closed)):
        yield f"stream {name} has no end"
    if set(opened) == set(closed):
        yield from _missing_lines(history)
    yield from _missing_requests(history)


def _missing_lines(history: History) -> Reasons:
    told = sum(event["lines"] for event in history.of("closed"))
    found = sum(1 for event in history.events if is_observed(event["kind"]))
    if told != found:
        yield f"the observer wrote {told} lines and {found} are here"


def _missing_requests(history: History) -> Reasons:
    health = history.last("health")
    if health is None:
        yield "the client told nothing about itself"
        return
    numbers = Counter(event["seq"] for event in history.of("request"))
    missing = sum(1 for seq in range(health["planned"]) if seq not in numbers)
    if missing:
        yield f"{missing} of {health['planned']} planned requests have no line"
    twice = sum(1 for count in numbers.values() if count > 1)
    if twice:
        yield f"{twice} requests have more than one line"
    if any(event["cap_reached"] for event in history.of("health")):
        yield "the client had too many requests in flight, so it did not send all"


def _faults(history: History, variant: Variant) -> Reasons:
    for step in variant.timeline:
        if not history.first("step", name=step.name, what="due"):
            yield f"step {step.name!r} did not happen"
        elif step.fault and not history.first("fault", name=step.fault.name, what="observed"):
            yield f"{step.fault.name}: its effect was not observed"


def _client_lag(history: History, window: Window) -> Reasons:
    lags = [
        (request.sent - request.t) / 1e6
        for request in traffic.requests(history, window)
        if request.sent is not None
    ]
    if not lags:
        yield "no request was sent while it counted"
        return
    told = [event["lag_max_ms"] for event in history.of("health") if event["t"] in window]
    p99, highest = stats.percentile(lags, 0.99), max([*lags, *told])
    if p99 > LAG_P99_MS:
        yield f"the client sent late: p99 {p99:.1f} ms, allowed {LAG_P99_MS:g}"
    if highest > LAG_MAX_MS:
        yield f"the client sent late: at most {highest:.0f} ms, allowed {LAG_MAX_MS:g}"


def _client_silent(history: History, window: Window) -> Reasons:
    """The client tells each second how it is; a long pause means that it had no CPU."""
    times = [event["t"] for event in history.of("health") if event["t"] in window]
    for before, then in pairwise([window.begin, *times, window.end]):
        if then - before > SILENT_OBSERVER_S * NS:
            yield f"the client told nothing about itself for {(then - before) / NS:.1f} s"


def _watchers(history: History, window: Window) -> Reasons:
    """Between a lost watch and its resumption events come late, or not at all."""
    by_resource: dict[str, list[Event]] = {}
    for event in history.of("watch"):
        by_resource.setdefault(event["resource"], []).append(event)
    for resource, events in by_resource.items():
        if any(_is_gap(event, events[n + 1 :], window) for n, event in enumerate(events)):
            yield f"the watch of {resource} has a gap while it counted"
    for kind in ("pod", "endpoints"):
        if not history.of(kind):
            yield f"no {kind} was ever seen"


def _is_gap(event: Event, following: Sequence[Event], window: Window) -> bool:
    if event["what"] in ("expired", "forbidden", "listed"):
        # A list in the middle stands in for changes that were not seen one by one.
        return event["t"] in window
    if event["what"] != "lost":
        return False
    resumed = next((e["t"] for e in following if e["what"] == "resumed"), None)
    end = window.end if resumed is None else resumed
    touches = event["t"] < window.end and end >= window.begin
    return touches and end - event["t"] > WATCH_GAP_S * NS


def _audit(history: History) -> Reasons:
    if not history.of("audit_done"):
        yield "the writes were not audited"
