"""How many pods of each release are ready, start or stop, second by second?

Ready is what the Service's endpoints call so, because that is where new connections go; a pod
that is there and not ready starts or stops, and one that stops may still answer. Where a stage
has no endpoints, a pod's own readiness is taken.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lab.report.axis import Axis
from lab.report.clean import clean
from lab.scenario.events import NS, Event

READY, STARTING, STOPPING = "ready", "starting", "stopping"
_STATES = (READY, STARTING, STOPPING)
UNKNOWN = "unknown release"


@dataclass(frozen=True, slots=True)
class PodBand:
    """Pods of `release` in `state` (ready, starting, stopping) at the end of each second."""

    release: str
    state: str
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """Ready pods of each release from `t` on."""

    t: int
    ready: Mapping[str, int]


def find_pods(events: Sequence[Event], axis: Axis) -> tuple[PodBand, ...]:
    """Count the pods of the service; empty where the history holds none."""
    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0] * len(axis))
    watch = Watch.begin(events)
    changes = iter(watch.changes)
    upcoming = next(changes, None)
    for place, second in enumerate(axis.seconds):
        end = axis.origin + (second + 1) * NS
        while upcoming is not None and upcoming["t"] < end:
            watch.take(upcoming)
            upcoming = next(changes, None)
        for release, state in watch.states():
            counts[release, state][place] += 1
    bands = [PodBand(release, state, tuple(each)) for (release, state), each in counts.items()]
    return tuple(sorted(bands, key=lambda band: (_STATES.index(band.state), band.release)))


def find_changes(events: Sequence[Event]) -> Iterator[Change]:
    """Yield each change of the number of ready pods by release."""
    watch = Watch.begin(events)
    last: Mapping[str, int] | None = None
    # Until the endpoints were heard of nobody knows who is ready.
    known = not watch.by_endpoints
    for event in watch.changes:
        watch.take(event)
        known = known or event["kind"] == "endpoints"
        if not known:
            continue
        ready: dict[str, int] = defaultdict(int)
        for release, state in watch.states():
            if state == READY:
                ready[release] += 1
        if ready != last:
            last = dict(ready)
            yield Change(event["t"], last)


@dataclass(frozen=True, slots=True)
class Rollout:
    """Releases `new` had their first ready pod at `came`, `old` no more ready pod since `gone`.

    Seconds of the axis; `gone` is None while a pod of them is still ready at the end.
    """

    new: str
    came: float
    old: str
    gone: float | None


def find_rollout(events: Sequence[Event], axis: Axis) -> Rollout | None:
    """Return the first change of releases after second 0, None where there was none."""
    changes = list(find_changes(events))
    before = [each for each in changes if each.t <= axis.origin]
    old = set(before[-1].ready) if before else set()
    after = [each for each in changes if each.t > axis.origin]
    came = next((each for each in after if set(each.ready) - old), None)
    if came is None:
        return None
    left = next((each for each in after if each.ready and old - set(each.ready)), None)
    return Rollout(
        new=", ".join(sorted(set(came.ready) - old)),
        came=axis.second(came.t),
        old=", ".join(sorted(old)),
        gone=axis.second(left.t) if left else None,
    )


@dataclass(slots=True)
class Watch:
    """The pods as last heard of; `changes` are taken one after the other."""

    changes: tuple[Event, ...]
    releases: Mapping[str, str]
    by_endpoints: bool
    pods: dict[str, Event]
    ready: frozenset[str]

    @classmethod
    def begin(cls, events: Sequence[Event]) -> "Watch":
        changes = [
            each
            for each in events
            if each["kind"] == "endpoints" or (each["kind"] == "pod" and _is_of_service(each))
        ]
        return cls(
            changes=tuple(changes),
            releases={e["name"]: _release(e) for e in changes if e["kind"] == "pod"},
            by_endpoints=any(each["kind"] == "endpoints" for each in changes),
            pods={},
            ready=frozenset(),
        )

    def take(self, event: Event) -> None:
        if event["kind"] == "endpoints":
            self.ready = frozenset(
                each.get("pod") or ""
                for each in event["endpoints"]
                if isinstance(each, dict) and each.get("ready") and _is_text(each.get("pod"))
            )
        elif event["type"] == "DELETED" or event.get("phase") in ("Succeeded", "Failed"):
            self.pods.pop(event["name"], None)
        else:
            self.pods[event["name"]] = event

    def states(self) -> Iterable[tuple[str, str]]:
        """Return release and state of each pod there is."""
        return self.by_pod().values()

    def by_pod(self) -> Mapping[str, tuple[str, str]]:
        """Return release and state of each pod there is, by its name."""
        ready = self.ready if self.by_endpoints else self._ready_pods()
        found = {name: (self.releases.get(name, UNKNOWN), READY) for name in sorted(ready)}
        for name, pod in self.pods.items():
            if name not in ready:
                state = STOPPING if pod.get("terminating") else STARTING
                found[name] = _release(pod), state
        return found

    def _ready_pods(self) -> frozenset[str]:
        return frozenset(
            name
            for name, pod in self.pods.items()
            if pod.get("ready") and not pod.get("terminating")
        )


def _is_of_service(event: Event) -> bool:
    # Where there are other pods at all, as in a cluster, every one tells what it belongs to.
    return bool(event.get("app", "chirps") == "chirps")


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _release(event: Event) -> str:
    return clean(event.get("release"), longest=40) or UNKNOWN
