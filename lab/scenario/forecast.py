"""How many requests will fail in which second? Said before anything was done.

A forecast is drawn from what is configured, or from what an earlier run measured, and is written
into the history ahead of the first fault: what is measured can then be seen to grow into it, or
beside it. Checks predict more sharply, since they may use what was observed of the rollout; they
cannot be drawn in advance.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
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


Foresee = Callable[[Event], Forecast | None]
"""From the first line of a history, which tells load and facts; None where they do not tell."""


def nobody(_run: Event) -> Forecast:
    """What a careful variant sets out to show."""
    return Forecast("no request should fail", ((0.0, 0.0),))


def old_pods_fail(
    endpoints: Collection[str], *, from_s: float, rollout_s: float, start_s: float
) -> Foresee:
    """All requests to `endpoints` fail that meet an old pod, from `from_s` on.

    A rollout begins at `rollout_s` and replaces one pod after the other, as maxSurge 1 and
    maxUnavailable 0 have it: each new pod takes `start_s` until it is Ready and min_ready_s
    longer until it is available, and then an old one goes.
    https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#rolling-update-deployment
    """

    def foresee(run: Event) -> Forecast | None:
        pods, hold_s = run["facts"].get("replicas"), run["facts"].get("min_ready_s")
        asked = rate_to(run, endpoints)
        if not isinstance(pods, int) or not isinstance(hold_s, int | float) or asked is None:
            return None
        points = [(0.0, 0.0), (from_s, asked)]
        second = rollout_s
        for gone in range(pods):
            # The new pod is there before the old one goes.
            points.append((second + start_s, asked * (pods - gone) / (pods + 1)))
            second += start_s + hold_s
            points.append((second, asked * (pods - gone - 1) / pods))
        return Forecast(
            f"{asked:.0f} requests/s to {len(endpoints)} endpoints x share of {pods} old pods,"
            f" one replaced every {start_s + hold_s:g} s",
            tuple((round(at, 2), round(count, 2)) for at, count in points),
        )

    return foresee


def rate_to(run: Event, endpoints: Collection[str]) -> float | None:
    """Return how many requests a second were asked for to `endpoints`, None where untold."""
    load = run["load"]
    try:
        mix = load["mix"]
        share = sum(mix[name] for name in endpoints) / sum(mix.values())
        return float(load["rate"] * share)
    except (LookupError, TypeError, ZeroDivisionError):
        return None


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
