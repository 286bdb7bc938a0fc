"""When is which request due?

Computed from the seed alone, so that two runs with one seed meet the same load, and never
from what the service answers: a client that waits for an answer before it sends the next
request slows down with the service and hides what its users see (coordinated omission).
"""

import itertools
import random
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from lab.observer.spec import Arrival

NS = 1_000_000_000
PICK_BELOW = 1 << 62


class Transport(StrEnum):
    """How a request is carried: a connection of its own, or one of those that are kept."""

    FRESH = "fresh"
    KEEPALIVE = "keepalive"


class Planned(NamedTuple):
    """Request `seq`, due `offset` ns after the start; `pick` is what it is about, at random."""

    seq: int
    offset: int
    stream: str
    endpoint: str
    pick: int


def requests(
    seed: int, *, rate: float, arrival: str, mix: Mapping[str, float], keepalive_share: float
) -> Iterator[Planned]:
    """Yield the requests of both transport streams, without end, in the order they are due."""
    # One source for each question: another mix leaves the times as they are.
    kinds = _random(seed, "endpoint")
    streams = _random(seed, "stream")
    picks = _random(seed, "pick")
    endpoints = sorted(name for name, weight in mix.items() if weight > 0)
    weights = list(itertools.accumulate(mix[name] for name in endpoints))
    for seq, offset in enumerate(offsets(seed, "requests", rate=rate, arrival=arrival)):
        kept = streams.random() < keepalive_share
        yield Planned(
            seq,
            offset,
            Transport.KEEPALIVE if kept else Transport.FRESH,
            kinds.choices(endpoints, cum_weights=weights)[0],
            picks.randrange(PICK_BELOW),
        )


def sessions(seed: int, *, rate: float, arrival: str) -> Iterator[Planned]:
    """Yield the sessions, without end; none at a rate of 0."""
    if rate <= 0:
        return
    picks = _random(seed, "session")
    for seq, offset in enumerate(offsets(seed, "sessions", rate=rate, arrival=arrival)):
        yield Planned(seq, offset, Transport.FRESH, "session", picks.randrange(PICK_BELOW))


def offsets(seed: int, what: str, *, rate: float, arrival: str) -> Iterator[int]:
    """Yield the nanoseconds after the start at which something is due, `rate` times a second."""
    if arrival == Arrival.UNIFORM:
        # From the number and not from the last time, or rounding would add up.
        yield from (round(number * NS / rate) for number in itertools.count())
        return
    distances = _random(seed, f"{what} arrival")
    at_s = 0.0
    while True:
        at_s += distances.expovariate(rate)
        yield round(at_s * NS)


def _random(seed: int, what: str) -> random.Random:
    return random.Random(f"{seed} {what}")  # noqa: S311 - a load that can be repeated, no secret
