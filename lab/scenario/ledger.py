"""Who would have been told what, and when, reckoned from the first user error?

Every signal of a run, those too that only tell who looks for them: the answers that users got,
pods that are not ready, and commands that end with an error. What would have woken anyone is
told by a rule and not by hope:

    at once       a command that somebody waits for has failed
    after 15 min  a state that usual alarms watch, and that still lasts when the run ends. They
                  wait for 15 minutes (KubeDeploymentReplicasMismatch, KubePodNotReady,
                  KubeJobFailed, ... of
                  https://github.com/kubernetes-monitoring/kubernetes-mixin, alerts/)
    nobody        what is over before that, and what only tells who looks: an event, a line in
                  a log, a counter for which nobody has set an alarm
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import Any, Self

from lab.scenario import commands, log_lines, reach, signals, traffic
from lab.scenario.events import NS, Event
from lab.scenario.evidence import MissingEvidence, Window
from lab.scenario.history import History
from lab.scenario.signals import Signal
from lab.scenario.traffic import Request

ALARMS_WAIT_S = 900.0
FIRST_ERROR, CHANGE = "first user error", "beginning of the change"
COMMAND, ANSWER, ENDPOINTS, LOG = "command", "answer", "endpoints", "log"
PROBES = frozenset(("endpoint=startupz", "endpoint=readyz"))
"""What the service logs of probes: pods that start and end say no, as every rollout has them, and
what else is not ready is told by endpoints."""
STATES = ("condition", "node", "job", ENDPOINTS)
"""Sources that usual alarms watch."""


class Wakes(StrEnum):
    AT_ONCE = "at once"
    LATER = "after 15 min"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Row:
    """Signals that say the same: the first of them `first_s` after what the ledger reckons from.

    `lasts_s` is how long that one told; None: it still did at the end.
    """

    source: str
    what: str
    first_s: float
    count: int
    lasts_s: float | None
    wakes: Wakes

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        return cls(**{**told, "wakes": Wakes(told["wakes"])})


@dataclass(frozen=True, slots=True)
class Ledger:
    """All signals, the earliest first. `since` says what times are reckoned from.

    `woken_s` is from there to the first signal that wakes somebody at once: None where none did.
    """

    since: str
    rows: tuple[Row, ...]
    woken_s: float | None

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        rows = tuple(Row.from_json(each) for each in told["rows"])
        return cls(told["since"], rows, told["woken_s"])


def keep(history: History, window: Window, failed: Sequence[Request]) -> Ledger:
    """Return the ledger of `window`, in which the requests `failed` failed."""
    first = traffic.first_failure(failed)
    origin = first.done if first else window.begin
    rows = sorted(_rows(history, window, origin), key=lambda row: row.first_s)
    woken = (row.first_s for row in rows if row.wakes is Wakes.AT_ONCE)
    return Ledger(FIRST_ERROR if first else CHANGE, tuple(rows), next(woken, None))


def _rows(history: History, window: Window, origin: int) -> Iterator[Row]:
    for source, find in _SOURCES.items():
        found = [signal for signal in find(history) if signal.t in window]
        for alike in _groups(found):
            yield _row(source, alike, origin)


def _groups(found: Iterable[Signal]) -> Iterator[list[Signal]]:
    def group(signal: Signal) -> str:
        return signal.group or signal.what

    for _, alike in groupby(sorted(found, key=lambda each: (group(each), each.t)), key=group):
        yield list(alike)


def _row(source: str, alike: Sequence[Signal], origin: int) -> Row:
    first = alike[0]
    return Row(
        source=source,
        what=first.what,
        first_s=round((first.t - origin) / NS, 3),
        count=sum(each.times for each in alike),
        lasts_s=None if first.until is None else round((first.until - first.t) / NS, 3),
        wakes=_wakes(source, alike),
    )


def _wakes(source: str, alike: Sequence[Signal]) -> Wakes:
    if source == COMMAND:
        return Wakes.AT_ONCE
    if source in STATES and any(map(_is_long, alike)):
        return Wakes.LATER
    return Wakes.NOBODY


def _is_long(signal: Signal) -> bool:
    return signal.until is None or signal.until - signal.t >= ALARMS_WAIT_S * NS


def _answers(history: History) -> Iterator[Signal]:
    """What users were told, and what the counters of a pod say where one answered."""
    for request in traffic.requests(history):
        if request.failed:
            what = " ".join(filter(None, (request.release, _told(request))))
            yield Signal(request.done, what, until=request.done, group=what)


def _told(request: Request) -> str:
    if request.status is None:
        return f"{request.outcome}, answered by nobody"
    return f"{request.status} {request.sqlstate or 'without SQLSTATE'}"


def _log_lines(history: History) -> Iterator[Signal]:
    """What pods have warned of; the same message of all pods of a release is one signal.

    But what they answered to probes of start and readiness.
    """
    found: dict[str, Signal] = {}
    for line in history.of("log"):
        if line["level"] in log_lines.LOUD and PROBES.isdisjoint(line["text"].split()):
            what = " ".join(filter(None, (line["release"], line["text"])))
            found[what] = _longer(found.get(what), line, what)
    yield from found.values()


def _longer(known: Signal | None, line: Event, what: str) -> Signal:
    """Return the signal with one more pod that says so: from the first time to the last."""
    if known is None:
        return Signal(line["t"], what, line["last"], times=line["count"])
    first, last = min(known.t, line["t"]), max(known.until or 0, line["last"])
    return Signal(first, what, last, times=known.times + line["count"])


def _few_endpoints(history: History) -> Iterator[Signal]:
    """Fewer are ready than there are replicas, from when to when."""
    replicas = history.facts.get("replicas")
    try:
        changes = reach.reaches(history)
    except MissingEvidence:
        return
    if not isinstance(replicas, int):
        return
    short: Signal | None = None
    for each in changes:
        if len(each.ready) >= replicas:
            if short:
                yield Signal(short.t, short.what, each.t, short.group)
            short = None
        elif short is None:
            what = f"fewer than {replicas} endpoints are ready"
            short = Signal(each.t, what, None, what)
    if short:
        yield short


def _commands(history: History) -> Iterator[Signal]:
    """Commands that somebody waits for, and that do not do what was asked."""
    for each in commands.ended(history):
        if each.code:
            yield Signal(each.t, each.sentence, until=each.t)


_SOURCES: Mapping[str, Callable[[History], Iterator[Signal]]] = {
    **signals.SOURCES,
    ENDPOINTS: _few_endpoints,
    COMMAND: _commands,
    ANSWER: _answers,
    LOG: _log_lines,
}
