"""How many pods of each release serve, start or stop, second by second?

Who serves is what the Service's endpoints say, because that is where requests go; a pod that
is there and does not serve starts or stops. Where a stage has no endpoints, a pod's own
readiness is taken.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lab.report.axis import Axis
from lab.report.clean import clean
from lab.scenario.events import NS, Event

SERVING, STARTING, STOPPING = "serving", "starting", "stopping"
_STATES = (SERVING, STARTING, STOPPING)
UNKNOWN = "unknown release"


@dataclass(frozen=True, slots=True)
class PodBand:
    """Pods of `release` in `state` (serving, starting, stopping) at the end of each second."""

    release: str
    state: str
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """Serving pods of each release from `t` on."""

    t: int
    serving: Mapping[str, int]


def find_pods(events: Sequence[Event], axis: Axis) -> tuple[PodBand, ...]:
    """Count the pods of the service; empty where the history holds none."""
    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0] * len(axis))
    watch = _Watch.begin(events)
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
    """Yield each change of the number of serving pods by release."""
    watch = _Watch.begin(events)
    last: Mapping[str, int] | None = None
    # Until the endpoints were heard of nobody knows who serves.
    known = not watch.by_endpoints
    for event in watch.changes:
        watch.take(event)
        known = known or event["kind"] == "endpoints"
        if not known:
            continue
        serving: dict[str, int] = defaultdict(int)
        for release, state in watch.states():
            if state == SERVING:
                serving[release] += 1
        if serving != last:
            last = dict(serving)
            yield Change(event["t"], last)


@dataclass(frozen=True, slots=True)
class Rollout:
    """Releases `new` began to serve at `came`, releases `old` no longer serve since `gone`.

    Seconds of the axis; `gone` is None while a pod of them still serves at the end.
    """

    new: str
    came: float
    old: str
    gone: float | None


def find_rollout(events: Sequence[Event], axis: Axis) -> Rollout | None:
    """Return the first change of releases after second 0, None where there was none."""
    changes = list(find_changes(events))
    before = [each for each in changes if each.t <= axis.origin]
    old = set(before[-1].serving) if before else set()
    after = [each for each in changes if each.t > axis.origin]
    came = next((each for each in after if set(each.serving) - old), None)
    if came is None:
        return None
    left = next((each for each in after if each.serving and old - set(each.serving)), None)
    return Rollout(
        new=", ".join(sorted(set(came.serving) - old)),
        came=axis.second(came.t),
        old=", ".join(sorted(old)),
        gone=axis.second(left.t) if left else None,
    )


@dataclass(slots=True)
class _Watch:
    """The pods as last heard of."""

    changes: tuple[Event, ...]
    releases: Mapping[str, str]
    by_endpoints: bool
    pods: dict[str, Event]
    serving: frozenset[str]

    @classmethod
    def begin(cls, events: Sequence[Event]) -> "_Watch":
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
            serving=frozenset(),
        )

    def take(self, event: Event) -> None:
        if event["kind"] == "endpoints":
            self.serving = frozenset(
                each.get("pod") or ""
                for each in event["endpoints"]
                if isinstance(each, dict) and each.get("ready") and _is_text(each.get("pod"))
            )
        elif event["type"] == "DELETED" or event.get("phase") in ("Succeeded", "Failed"):
            self.pods.pop(event["name"], None)
        else:
            self.pods[event["name"]] = event

    def states(self) -> Iterator[tuple[str, str]]:
        """Yield release and state of each pod there is."""
        serving = self.serving if self.by_endpoints else self._ready()
        for name in serving:
            yield self.releases.get(name, UNKNOWN), SERVING
        for name, pod in self.pods.items():
            if name not in serving:
                yield _release(pod), STOPPING if pod.get("terminating") else STARTING

    def _ready(self) -> frozenset[str]:
        return frozenset(
            name
            for name, pod in self.pods.items()
            if pod.get("ready") and not pod.get("terminating")
        )


def _is_of_service(event: Event) -> bool:
    return event.get("app") == "chirps"


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _release(event: Event) -> str:
    return clean(event.get("release"), longest=40) or UNKNOWN
