"""Which pod was where, and in which state from when to when: one lane a pod, by node."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lab.report.axis import Axis
from lab.report.clean import clean
from lab.report.pods import Watch
from lab.scenario.events import Event

# More lanes than this are no picture any more.
MOST_LANES = 40
NOWHERE = "no node"


@dataclass(frozen=True, slots=True)
class Span:
    """Seconds of the axis; `end` is None while it lasts."""

    state: str
    begin: float
    end: float | None


@dataclass(frozen=True, slots=True)
class Lane:
    """One pod of the service."""

    node: str
    pod: str
    release: str
    restarts: int
    spans: tuple[Span, ...]


@dataclass(slots=True)
class _Open:
    node: str
    release: str
    restarts: int = 0
    state: str = ""
    since: float = 0.0
    spans: list[Span] = field(default_factory=list)

    def turn(self, state: str, second: float) -> None:
        if state == self.state:
            return
        if self.state:
            self.spans.append(Span(self.state, self.since, second))
        self.state, self.since = state, second

    def closed(self) -> Iterator[Span]:
        yield from self.spans
        if self.state:
            yield Span(self.state, self.since, None)


def find_lanes(events: Sequence[Event], axis: Axis) -> tuple[Lane, ...]:
    """Return a lane for each pod, by node and then in the order in which they came."""
    found: dict[str, _Open] = {}
    watch = Watch.begin(events)
    for event in watch.changes:
        watch.take(event)
        second = axis.second(event["t"])
        states = watch.by_pod()
        for name, (release, state) in states.items():
            lane = found.setdefault(name, _Open(NOWHERE, release))
            _update(lane, watch.pods.get(name, {}), release)
            lane.turn(state, second)
        for name in found.keys() - states.keys():
            found[name].turn("", second)
    lanes = [
        Lane(each.node, clean(name, longest=80), each.release, each.restarts, tuple(each.closed()))
        for name, each in found.items()
    ]
    return tuple(sorted(lanes, key=lambda lane: lane.node)[:MOST_LANES])


def _update(lane: _Open, pod: Mapping[str, object], release: str) -> None:
    lane.release = release
    lane.node = clean(pod.get("node"), longest=40) or lane.node
    restarts = pod.get("restarts")
    lane.restarts = restarts if isinstance(restarts, int) else lane.restarts
