"""How late was each request, by one rule for every load generator?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MS = 1_000_000
NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Lag:
    """How long after its time a request was sent, in ms."""

    p50: float
    p99: float
    greatest: float


@dataclass(frozen=True, slots=True)
class Result:
    """One load of one generator; `cpu` is its share of one core while the load lasted."""

    tool: str
    rate: int
    connections: str
    lag: Lag
    cpu: float
    sent: int
    failed: int


def lag(sent: Mapping[int, int], *, rate: float) -> Lag:
    """Return the lag of requests by their number, sent at ns of any clock.

    Only our own generator says when its plan began. So for all of them the plan is taken to
    begin where the most punctual request was just in time.
    """
    behind = [at - number * NS / rate for number, at in sent.items()]
    least = min(behind)
    ordered = sorted((each - least) / MS for each in behind)
    return Lag(at(ordered, 0.5), at(ordered, 0.99), ordered[-1])


def at(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
