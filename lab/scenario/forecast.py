"""How many requests will fail in which second? Said before anything was done.

A forecast is drawn from what is configured, or from what an earlier run measured, and is written
into the history ahead of the first fault: what is measured can then be seen to grow into it, or
beside it. Checks predict more sharply, since they may use what was observed of the rollout; they
cannot be drawn in advance.

Formulae are in `forecast_rollout` (old and new pods beside each other), `forecast_outage` (nobody
is served for a while) and `forecast_unseen` (what no request tells).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from lab.scenario.events import NS, Event

Point = tuple[float, float]
"""Second after the first fault, and failed requests a second from then on."""

LONGEST_S = 7_200


@dataclass(frozen=True, slots=True)
class Forecast:
    """Steps of a line; `source` says in a clause what it was drawn from."""

    source: str
    points: tuple[Point, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote. Raises ValueError, TypeError or LookupError otherwise."""
        points = tuple((float(second), float(count)) for second, count in told["points"])
        if any(abs(s) > LONGEST_S or not 0 <= n < 1e6 for s, n in points):
            raise ValueError("a point lies where no chart is")
        return cls(str(told["source"]), points)

    def at(self, second: float) -> float:
        """Return the failed requests a second that are foreseen at `second`."""
        return next((count for begin, count in reversed(self.points) if begin <= second), 0.0)

    @property
    def total(self) -> float:
        """All failed requests that are foreseen; the line ends with its last point."""
        ends = [second for second, _ in self.points[1:]]
        return sum(
            count * (end - begin) for (begin, count), end in zip(self.points, ends, strict=False)
        )


Foresee = Callable[[Event], Forecast | None]
"""From the first line of a history, which tells load and facts; None where they do not tell."""


def nobody(_run: Event) -> Forecast:
    """What a careful variant sets out to show."""
    return Forecast("no request should fail", ((0.0, 0.0),))


def as_before(events: Sequence[Event], run: str) -> Forecast | None:
    """Return what failed in each second of an earlier run, smoothed over three; None for no run.

    `events` is its history in any order.
    """
    faults = [e["t"] for e in events if e["kind"] == "fault" and e["what"] == "requested"]
    if not faults:
        return None
    origin, counts = min(faults), dict[int, int]()
    for each in events:
        if each["kind"] == "request" and each["outcome"] != "ok":
            second = (each["t"] - origin) // NS
            counts[second] = counts.get(second, 0) + 1
    # What is beyond a chart is beyond a forecast.
    seconds = [each for each in counts if abs(each) <= LONGEST_S]
    if not seconds:
        return Forecast(f"no request failed in run {run}", ((0.0, 0.0),))
    line = [(float(at), _smooth(counts, at)) for at in range(min(0, *seconds), max(seconds) + 3)]
    return Forecast(f"as measured in run {run}", tuple(line))


def _smooth(counts: Mapping[int, int], second: int) -> float:
    return round(sum(counts.get(second + step, 0) for step in (-1, 0, 1)) / 3, 2)
