"""Did everybody who measures look all the time, and in time?

Only within the verdict window. A client that sends late, or a watcher that sleeps, sees a
bad service where there is none, or a good one where nobody looked.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from lab.scenario import stats, traffic
from lab.scenario.events import NS, Event
from lab.scenario.evidence import Window
from lab.scenario.history import History

LAG_P99_MS = 20.0
LAG_MAX_MS = 250.0
SILENT_OBSERVER_S = 5.0
WATCH_GAP_S = 2.0
TICK_GAP_S = 3.0
TICK_LAG_MAX_MS = 1000.0
SAMPLE_GAP_S = 3.0
"""A sample that gets no answer is given up after two seconds, and then has a line as well."""

WATCHER, SAMPLER = "watch", "database"
"""Workers that tell each second whether they got to run; the load has its health lines."""

WATCHED = ("pods", "replicasets", "deployments", "endpointslices", "events", "nodes", "jobs")
"""All that a verdict may rest on, also by its absence, as a warning that nobody got.

A stage without some of it names what it has as the fact `watched`, and the stream that
tells of it as `watcher`.
"""
LISTED, RESUMED, LOST = "listed", "resumed", "lost"

Reasons = Iterator[str]


def reasons(history: History, window: Window) -> Reasons:
    for look in (_client_lag, _client_silent, _late_workers, _unsampled, _watches):
        yield from look(history, window)


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
    for pause_s in _pauses(history.of("health"), window, SILENT_OBSERVER_S):
        yield f"the client told nothing about itself for {pause_s:.1f} s"


def _late_workers(history: History, window: Window) -> Reasons:
    """What a worker sees while it is late has the time at which it got to look, not its own."""
    for stream in (history.facts.get("watcher", WATCHER), SAMPLER):
        ticks = [tick for tick in history.of("tick") if tick["stream"] == stream]
        for pause_s in _pauses(ticks, window, TICK_GAP_S):
            yield f"the {stream} worker told nothing about itself for {pause_s:.1f} s"
        late_ms = max((t["lag_max_ms"] for t in ticks if _reaches(t, window)), default=0)
        if late_ms > TICK_LAG_MAX_MS:
            yield (
                f"the {stream} worker came {late_ms:.0f} ms late to look,"
                f" allowed {TICK_LAG_MAX_MS:g}"
            )


def _reaches(tick: Event, window: Window) -> bool:
    """Tell whether the worker was late within `window`, from when the tick was due."""
    came = tick["t"] + tick["lag_max_ms"] * NS / 1000
    return bool(tick["t"] < window.end and came >= window.begin)


def _unsampled(history: History, window: Window) -> Reasons:
    """Also a database that does not answer has a line for each look at it."""
    for pause_s in _pauses(history.of("db"), window, SAMPLE_GAP_S):
        yield f"nobody looked at the database for {pause_s:.1f} s"


def _pauses(events: Iterable[Event], window: Window, longest_s: float) -> Iterator[float]:
    """Yield the times within `window` without such an event that are longer than allowed."""
    times = sorted(event["t"] for event in events if event["t"] in window)
    for before, then in pairwise([window.begin, *times, window.end]):
        if then - before > longest_s * NS:
            yield (then - before) / NS


def _watches(history: History, window: Window) -> Reasons:
    """What is not watched, or was not for a while, may have changed unseen."""
    events = history.of("watch")
    watched = history.facts.get("watched", WATCHED)
    for resource in sorted({*watched, *(event["resource"] for event in events)}):
        told = [event for event in events if event["resource"] == resource]
        if not any(event["what"] == LISTED and event["t"] < window.begin for event in told):
            yield f"the {resource} were not listed before it counted"
        elif any(_is_gap(event, told[n + 1 :], window) for n, event in enumerate(told)):
            yield f"the watch of {resource} has a gap while it counted"
    for kind in ("pod", "endpoints"):
        if not history.of(kind):
            yield f"no {kind} was ever seen"


def _is_gap(event: Event, following: Sequence[Event], window: Window) -> bool:
    """Tell whether something may be missing since `event`.

    After `lost` lines come late, which a moment of is no harm. After `expired` what happened
    meanwhile is never told, nor is it after `forbidden`, and a list in the middle stands in
    for changes that were not seen one by one. Each lasts until the watch is `resumed` or all
    was `listed` anew.
    """
    if event["what"] == LISTED:
        return event["t"] in window
    if event["what"] == RESUMED:
        return False
    end = next((e["t"] for e in following if e["what"] in (RESUMED, LISTED)), window.end)
    touches = event["t"] < window.end and end > window.begin
    return touches and (event["what"] != LOST or end - event["t"] > WATCH_GAP_S * NS)
