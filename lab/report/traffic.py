"""How many requests a second, by the release that answered and how it ended; and how late.

A request belongs to the second of its intended start, and its latency counts from there: a
server that stalls does not hide the requests it never saw.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from lab.report.axis import Axis
from lab.report.clean import clean
from lab.scenario import stats
from lab.scenario.events import Event

# Who answered, when nobody did: refused, timed out, cut off before a header came.
NOBODY = ""


@dataclass(frozen=True, slots=True)
class Band:
    """Requests per second that `release` answered, all failed or all not."""

    release: str
    failed: bool
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.counts)


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds per second of intended start, None where nothing was sent."""

    p50: tuple[float | None, ...]
    p99: tuple[float | None, ...]
    highest: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Traffic:
    """`bands`: the failed first; `requests` and `failures` count the whole history."""

    bands: tuple[Band, ...]
    latency: Latency
    requests: int
    failures: int


def is_failure(event: Event) -> bool:
    return bool(event["outcome"] != "ok")


def release_of(event: Event) -> str:
    return clean(event.get("release"), longest=40) or NOBODY


def find_traffic(events: Sequence[Event], axis: Axis) -> Traffic:
    counts: dict[tuple[str, bool], list[int]] = defaultdict(lambda: [0] * len(axis))
    latencies: list[list[float]] = [[] for _ in range(len(axis))]
    requests = failures = 0
    for event in events:
        if event["kind"] != "request":
            continue
        failed = is_failure(event)
        requests += 1
        failures += failed
        place = axis.bin(event["t"])
        if place is not None:
            counts[release_of(event), failed][place] += 1
            latencies[place].append((event["done"] - event["t"]) / 1e6)
    bands = [Band(release, failed, tuple(each)) for (release, failed), each in counts.items()]
    return Traffic(
        bands=tuple(sorted(bands, key=lambda band: (not band.failed, band.release))),
        latency=_latency(latencies),
        requests=requests,
        failures=failures,
    )


def _latency(latencies: list[list[float]]) -> Latency:
    return Latency(
        p50=tuple(_percentile(each, 0.50) for each in latencies),
        p99=tuple(_percentile(each, 0.99) for each in latencies),
        highest=tuple(_percentile(each, 1.0) for each in latencies),
    )


def _percentile(values: Sequence[float], share: float) -> float | None:
    return stats.percentile(values, share) if values else None
