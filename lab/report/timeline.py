"""What happened when: one row for each thing a reader may look for."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lab.report import pods, words
from lab.report.axis import Axis
from lab.report.clean import clean
from lab.report.traffic import NOBODY, is_failure, release_of
from lab.scenario.events import Event

# A cluster in trouble repeats itself; a table of ten thousand rows tells nobody anything.
MOST_ROWS = 300


@dataclass(frozen=True, slots=True)
class Row:
    """`kind` groups rows: phase, fault, step, schema, pods, traffic, cluster, gap, note."""

    second: float
    kind: str
    what: str
    detail: str

    @property
    def when(self) -> str:
        return words.moment(self.second)


def find_timeline(events: Sequence[Event], axis: Axis) -> tuple[Row, ...]:
    """Return the rows in the order of their time, at most MOST_ROWS and one that says how many."""
    rows = [*_told(events, axis), *_serving(events, axis), *_failures(events, axis)]
    rows.sort(key=lambda row: row.second)
    if len(rows) <= MOST_ROWS:
        return tuple(rows)
    more = f"{words.number(len(rows) - MOST_ROWS)} more, not shown"
    return (*rows[:MOST_ROWS], Row(rows[MOST_ROWS].second, "note", more, ""))


def _told(events: Sequence[Event], axis: Axis) -> Iterator[Row]:
    """Rows that are one event each."""
    for event in events:
        tell = _TELLERS.get(event["kind"])
        found = tell(event) if tell else None
        if found is not None:
            kind, what, detail = found
            second = axis.second(event["t"])
            # The version that was there when the watcher began is no event of this run.
            if kind != "schema" or second >= axis.first:
                yield Row(second, kind, clean(what), clean(detail))


def _serving(events: Sequence[Event], axis: Axis) -> Iterator[Row]:
    for change in pods.find_changes(events):
        told = ", ".join(f"{release} {count}" for release, count in sorted(change.serving.items()))
        yield Row(axis.second(change.t), "pods", "serving pods", told or "none")


def _failures(events: Sequence[Event], axis: Axis) -> Iterator[Row]:
    failed = [each for each in events if each["kind"] == "request" and is_failure(each)]
    # By their end: a failure counts from the moment its user saw it.
    if failed:
        first = min(failed, key=lambda each: each["done"])
        last = max(failed, key=lambda each: each["done"])
        yield Row(axis.second(first["done"]), "traffic", "first failed request", describe(first))
        yield Row(axis.second(last["done"]), "traffic", "last failed request", describe(last))


def describe(request: Event) -> str:
    """Say who answered what with which code: `v1 list_chirps 42703`."""
    release = release_of(request)
    answered = "nobody" if release == NOBODY else release
    code = request.get("sqlstate") or request["outcome"]
    return f"{answered} {clean(request['endpoint'])} {clean(code)}"


_Told = tuple[str, str, object] | None


def _phase(event: Event) -> _Told:
    return "phase", f"phase {event['name']}", ""


def _fault(event: Event) -> _Told:
    return "fault", f"{event['name']} {event['what']}", event.get("detail")


def _step(event: Event) -> _Told:
    return "step", f"{event['name']} {event['what'].replace('_', ' ')}", event.get("detail")


def _schema(event: Event) -> _Told:
    bound = event.get("bound")
    known = f"± {words.milliseconds(bound / 1e6)}" if isinstance(bound, int) else ""
    return "schema", f"schema {event['version']} committed", known


def _cluster(event: Event) -> _Told:
    count = event.get("count")
    often = f" ({count} times)" if isinstance(count, int) and count > 1 else ""
    what = f"{event.get('type') or 'Event'} {event['reason']} {clean(event.get('object'))}"
    return "cluster", what, f"{clean(event.get('message'))}{often}"


def _job(event: Event) -> _Told:
    ended = [word for word in ("succeeded", "failed") if event.get(word)]
    return ("cluster", f"job {event.get('name')} {ended[0]}", "") if ended else None


def _node(event: Event) -> _Told:
    if event.get("ready"):
        return None
    return "cluster", f"node {event.get('name')} not ready", event.get("reason")


def _watch(event: Event) -> _Told:
    if event.get("what") == "listed":
        return None
    return "gap", f"watch of {event.get('resource')} {event.get('what')}", event.get("detail")


def _lost(event: Event) -> _Told:
    return "gap", f"lost: {event.get('what')}", event.get("detail")


def _note(event: Event) -> _Told:
    return "note", "note", event.get("text")


_TELLERS: Mapping[str, Callable[[Event], _Told]] = {
    "phase": _phase,
    "fault": _fault,
    "step": _step,
    "schema": _schema,
    "event": _cluster,
    "job": _job,
    "node": _node,
    "watch": _watch,
    "lost": _lost,
    "note": _note,
}
