"""How many requests should fail, if one release fails every request to some endpoints?

Computed from what was observed (who was ready when, which connection ended at which pod)
and from what was configured (the rate), never from the failures themselves, and by
stream: a new connection meets any ready endpoint, a kept one stays with its pod.
"""

from collections.abc import Collection
from dataclasses import dataclass

from lab.scenario import reach, traffic
from lab.scenario.evidence import Window
from lab.scenario.history import History
from lab.scenario.traffic import FRESH, KEEPALIVE, Request


@dataclass(frozen=True, slots=True)
class Prediction:
    """A number of requests, and the formula with the values it was computed from."""

    count: float
    formula: str


def fresh(history: History, release: str, endpoints: Collection[str], window: Window) -> Prediction:
    """Predict failures of requests that make a connection each. Raises MissingEvidence."""
    seconds = reach.outage_seconds(history, release, window)
    rate = traffic.rate(history, FRESH, endpoints)
    return Prediction(
        seconds * rate,
        f"sum of (share of {release} among ready endpoints x duration) = {seconds:.1f} s,"
        f" x {rate:g} requests/s",
    )


def keepalive(
    history: History, release: str, endpoints: Collection[str], window: Window
) -> Prediction:
    """Predict failures of requests on kept connections. Raises MissingEvidence.

    A request on a connection that ended at a pod before goes to that pod again. The first
    one on a connection meets what a fresh one would meet.
    """
    releases, changes = reach.release_of_pods(history), reach.reaches(history)
    pinned: dict[int | None, str] = {}
    certain, expected = 0, 0.0
    for request in _kept(history):
        if request.t in window and request.endpoint in endpoints:
            if request.conn in pinned and request.reused:
                certain += pinned[request.conn] == release
            else:
                expected += reach.at(changes, request.t).share(release)
        if request.pod is not None and request.pod in releases:
            pinned[request.conn] = releases[request.pod]
    return Prediction(
        certain + expected,
        f"{certain} requests due on connections that ended at a pod of {release},"
        f" + {expected:.1f} for first requests by share of ready endpoints",
    )


def _kept(history: History) -> tuple[Request, ...]:
    return tuple(r for r in traffic.requests(history) if r.stream == KEEPALIVE)


BY_STREAM = {FRESH: fresh, KEEPALIVE: keepalive}
