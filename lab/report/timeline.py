"""What happened when: one row for each thing a reader may look for."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lab.report import pods, words
from lab.report.axis import Axis
from lab.report.clean import clean
from lab.report.database import Database
from lab.report.requests import NOBODY, Requests, release_of
from lab.report.told_by_kubernetes import find_said
from lab.scenario.events import Event

# A cluster in trouble repeats itself; a table of ten thousand rows tells nobody anything.
MOST_ROWS = 300
CLUSTER = "cluster"


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


def find_timeline(
    events: Sequence[Event], axis: Axis, database: Database, requests: Requests
) -> tuple[Row, ...]:
    """Return the rows in the order of their time, at most MOST_ROWS and one that says how many.

    What the cluster tells of itself is left out first: it is what repeats.
    """
    rows = [
        *_told(events, axis),
        *_schema(database),
        *_said(events, axis),
        *_ready(events, axis),
        *_failures(requests, axis),
    ]
    kept = sorted(rows, key=lambda row: row.kind == CLUSTER)[:MOST_ROWS]
    kept.sort(key=lambda row: row.second)
    if len(kept) < len(rows):
        more = f"{words.number(len(rows) - len(kept))} more rows are not shown"
        kept.append(Row(kept[-1].second, "note", more, ""))
    return tuple(kept)


def _told(events: Sequence[Event], axis: Axis) -> Iterator[Row]:
    """Rows that are one event each."""
    for event in events:
        tell = _TELLERS.get(event["kind"])
        found = tell(event) if tell else None
        if found is not None:
            kind, what, detail = found
            second = axis.second(event["t"])
            yield Row(second, kind, clean(what), clean(detail))


def _schema(database: Database) -> Iterator[Row]:
    for each in database.commits:
        known = f"± {words.milliseconds(each.bound_s * 1000)}"
        yield Row(each.second, "schema", f"schema {each.version} committed", known)


def _said(events: Sequence[Event], axis: Axis) -> Iterator[Row]:
    for each in find_said(events):
        yield Row(axis.second(each.t), CLUSTER, clean(each.what), clean(each.detail))


def _ready(events: Sequence[Event], axis: Axis) -> Iterator[Row]:
    for change in pods.find_changes(events):
        told = ", ".join(f"{release} {count}" for release, count in sorted(change.ready.items()))
        yield Row(axis.second(change.t), "pods", "ready pods", told or "none")


def _failures(requests: Requests, axis: Axis) -> Iterator[Row]:
    first, last = requests.first_failure, requests.last_failure
    if first is not None and last is not None:
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


def _cluster(event: Event) -> _Told:
    count = event.get("count")
    often = f" ({count} times)" if isinstance(count, int) and count > 1 else ""
    what = f"{event.get('type') or 'Event'} {event['reason']} {clean(event.get('object'))}"
    return CLUSTER, what, f"{clean(event.get('message'))}{often}"


def _job(event: Event) -> _Told:
    ended = [word for word in ("succeeded", "failed") if event.get(word)]
    return (CLUSTER, f"job {event.get('name')} {ended[0]}", "") if ended else None


def _node(event: Event) -> _Told:
    if event.get("ready"):
        return None
    return CLUSTER, f"node {event.get('name')} not ready", event.get("reason")


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
    "event": _cluster,
    "job": _job,
    "node": _node,
    "watch": _watch,
    "lost": _lost,
    "note": _note,
}
