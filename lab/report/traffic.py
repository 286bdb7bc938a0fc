"""How many requests a second, by the release that answered and how it ended; and how late.

A request belongs to the second of its intended start, and its latency counts from there: a
server that stalls does not hide the requests it never saw.
"""

from dataclasses import dataclass

from lab.report.axis import Axis
from lab.report.requests import Requests, Second


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


def find_traffic(requests: Requests, axis: Axis) -> Traffic:
    requests.lay(axis.origin)
    seconds = [requests.second(number) for number in axis.seconds]
    bands = [
        Band(*answer, tuple(each.counts.get(answer, 0) if each else 0 for each in seconds))
        for answer in requests.answers
    ]
    shown = [band for band in bands if band.total]
    return Traffic(
        bands=tuple(sorted(shown, key=lambda band: (not band.failed, band.release))),
        latency=_latency(seconds),
        requests=requests.total,
        failures=requests.failures,
    )


def _latency(seconds: list[Second | None]) -> Latency:
    found = [each.percentiles if each else (None, None, None) for each in seconds]
    p50, p99, highest = zip(*found, strict=True)
    return Latency(p50=p50, p99=p99, highest=highest)
