"""Which release could a new connection reach, and from when to when?

Answered from EndpointSlices (`endpoints`) and pods (`pod`). A Service hands a new
connection to one of its ready endpoints, each with the same probability; a connection
that exists stays with its pod as long as the pod serves, also while the endpoint is
terminating (https://kubernetes.io/docs/tutorials/services/pods-and-endpoint-termination-flow/).
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lab.scenario.events import Event
from lab.scenario.evidence import MissingEvidence, Window
from lab.scenario.history import History


@dataclass(frozen=True, slots=True)
class Reach:
    """Since `t`: the releases of the ready endpoints, and of all that there are, one a pod."""

    t: int
    ready: tuple[str, ...]
    present: tuple[str, ...]

    def share(self, release: str) -> float:
        """Return the probability that a new connection meets `release`."""
        return self.ready.count(release) / len(self.ready) if self.ready else 0.0


def release_of_pods(history: History) -> Mapping[str, str]:
    return {e["name"]: e["release"] for e in history.of("pod") if e["release"] is not None}


def reaches(history: History) -> tuple[Reach, ...]:
    """Return the sets of endpoints, oldest first. Raises MissingEvidence for an unknown pod."""
    return history.derive(_reaches)


def _reaches(history: History) -> tuple[Reach, ...]:
    releases = release_of_pods(history)
    events = sorted(history.of("endpoints"), key=lambda event: event["t"])
    return tuple(_reach(event, releases) for event in events)


def _reach(event: Event, releases: Mapping[str, str]) -> Reach:
    there = [each for each in event["endpoints"] if each.get("pod") is not None]
    try:
        return Reach(
            event["t"],
            tuple(releases[each["pod"]] for each in there if each.get("ready")),
            tuple(releases[each["pod"]] for each in there),
        )
    except KeyError as exc:
        raise MissingEvidence(f"an endpoint of pod {exc} whose release was never seen") from exc


def at(reaches: Sequence[Reach], t: int) -> Reach:
    """Return what could be reached at `t`. Raises MissingEvidence before the first event."""
    following = bisect_right(reaches, t, key=lambda reach: reach.t)
    if not following:
        raise MissingEvidence("the endpoints were not watched yet")
    return reaches[following - 1]


def shares(history: History, release: str, window: Window) -> Iterator[tuple[Window, float]]:
    """Cut `window` where the endpoints changed; yield each part with the share of `release`."""
    changes = reaches(history)
    at(changes, window.begin)
    ends = [reach.t for reach in changes[1:]] + [window.end]
    for reach, until in zip(changes, ends, strict=True):
        part = Window(max(reach.t, window.begin), min(until, window.end))
        if part.begin < part.end:
            yield part, reach.share(release)


def outage_seconds(history: History, release: str, window: Window) -> float:
    """Return the sum of share times duration: as if only `release` had served that long."""
    return sum(part.seconds * share for part, share in shares(history, release, window))


def gone(history: History, release: str, *, ready: bool) -> int:
    """Return when the last (ready) endpoint of `release` went, in ns.

    Raises MissingEvidence when it had none, or still has one at the end.
    """
    what = "ready endpoint" if ready else "endpoint"
    last: int | None = None
    went: int | None = None
    for reach in reaches(history):
        if release in (reach.ready if ready else reach.present):
            last, went = reach.t, None
        elif last is not None and went is None:
            went = reach.t
    if last is None:
        raise MissingEvidence(f"no {what} of {release} was ever seen")
    if went is None:
        raise MissingEvidence(f"the last {what} of {release} had not gone at the end")
    return went
