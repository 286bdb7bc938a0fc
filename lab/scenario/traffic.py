"""What did users ask, and what did they get?"""

from bisect import bisect_left
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from lab.scenario.events import NS, Event
from lab.scenario.evidence import MissingEvidence, Window
from lab.scenario.history import History

OK = "ok"
FRESH = "fresh"
KEEPALIVE = "keepalive"


@dataclass(frozen=True, slots=True)
class Request:
    """One request: `t` is when it was due, `sent` when it was sent, `done` when it ended, in ns.

    `release` and `pod` are None when nobody answered.
    """

    t: int
    seq: int
    stream: str
    endpoint: str
    sent: int | None
    done: int
    outcome: str
    status: int | None
    sqlstate: str | None
    release: str | None
    pod: str | None
    conn: int | None
    reused: bool
    ref: str | None

    @property
    def failed(self) -> bool:
        """Whatever is not `ok` failed its user, a timeout as much as an error."""
        return self.outcome != OK


@dataclass(frozen=True, slots=True)
class Session:
    """One user's visit of several requests."""

    t: int
    done: int
    ok: bool


def requests(history: History, window: Window | None = None) -> tuple[Request, ...]:
    """Return the requests that were due in `window`, by the time they were due."""
    found = history.derive(_requests)
    if window is None:
        return found
    begin, end = (bisect_left(found, t, key=_due) for t in (window.begin, window.end))
    return found[begin:end]


def _requests(history: History) -> tuple[Request, ...]:
    found = (_request(event) for event in history.of("request"))
    return tuple(sorted(found, key=lambda request: (request.t, request.seq)))


def _due(request: Request) -> int:
    return request.t


def _request(event: Event) -> Request:
    return Request(
        t=event["t"],
        seq=event["seq"],
        stream=event["stream"],
        endpoint=event["endpoint"],
        sent=event["sent"],
        done=event["done"],
        outcome=event["outcome"],
        status=event["status"],
        sqlstate=event["sqlstate"],
        release=event["release"],
        pod=event["pod"],
        conn=event["conn"],
        reused=event["reused"],
        ref=event.get("ref"),
    )


def failures(history: History, window: Window) -> tuple[Request, ...]:
    """Return the failed requests of `window`, by the time they were due."""
    return tuple(request for request in requests(history, window) if request.failed)


def sessions(history: History, window: Window) -> tuple[Session, ...]:
    """Return the sessions of which some part was in `window`."""
    found = (Session(event["t"], event["done"], event["ok"]) for event in history.of("session"))
    return tuple(s for s in found if s.t < window.end and s.done >= window.begin)


def rate(history: History, stream: str, endpoints: Collection[str]) -> float:
    """Return how many requests a second to `endpoints` were asked of the client on `stream`.

    Raises MissingEvidence when the history does not tell the load.
    """
    load = history.load
    try:
        mix, kept = load["mix"], load["keepalive_share"]
        weight = sum(mix[name] for name in endpoints) / sum(mix.values())
        share = kept if stream == KEEPALIVE else 1 - kept
        return float(load["rate"] * share * weight)
    except LookupError as exc:
        raise MissingEvidence(f"the load of the run does not tell {exc}") from exc


def total_timeout_ns(history: History) -> int:
    """Return how long a request may be in flight. Raises MissingEvidence."""
    try:
        return int(history.load["total_timeout_s"] * NS)
    except LookupError as exc:
        raise MissingEvidence(f"the load of the run does not tell {exc}") from exc


def resolution_s(history: History) -> float:
    """Return the distance of two requests: nothing shorter can be seen. 0 where not told."""
    asked = history.load.get("rate", 0)
    return 1 / asked if asked else 0.0


def first_failure(failed: Iterable[Request]) -> Request | None:
    """Return what a user saw first: the failure that was answered first, not the one due first."""
    return min(failed, key=lambda request: request.done, default=None)


def last_failure(failed: Iterable[Request]) -> Request | None:
    return max(failed, key=lambda request: request.done, default=None)
