"""What does the first line of a history tell of what is configured?

A forecast is drawn from load and facts as they were read back. Where one is missing there is no
forecast: a number that nobody configured would be a guess with decimals.

Some times are configured by nobody, and are assumed here, once: how long a Job, a pod and a look
take. They are rounded from runs on six nodes and on the twin.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import wraps
from math import inf
from typing import Any

from lab.scenario.events import Event
from lab.scenario.forecast import Forecast, Foresee

SEEN_S = 0.5
"""From when something was done, or has happened, until it was seen and the next step begins."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long programs take, in seconds: a migration from when it is asked for until its commit,
    its own statements apart, and a pod from when it is made until it is Ready."""

    commit_s: float
    start_s: float


CONTAINERS, PROCESSES = Pace(1.7, 3.0), Pace(1.2, 1.5)


class Untold(Exception):
    """What a forecast would be drawn from was not told."""


@dataclass(frozen=True, slots=True)
class Told:
    """Load (requests a second, shares) and facts (seconds, counts) of a run that begins.

    Every method raises Untold where the value is missing or is no number of its sort.
    """

    run: Event

    def number(self, name: str) -> float:
        return _number(self.run.get("facts"), name)

    @property
    def pace(self) -> Pace:
        """A process of the twin is there sooner than a container."""
        return PROCESSES if self.run.get("distribution") == "processes" else CONTAINERS

    def baseline_s(self, usual: float) -> float:
        """Return how long traffic runs before the first fault: as the stage has it, or as usual."""
        return _number({"baseline_s": usual, **_mapping(self.run, "facts")}, "baseline_s")

    def count(self, name: str) -> int:
        value = self.number(name)
        if value != int(value):
            raise Untold(name)
        return int(value)

    def load(self, name: str) -> float:
        return _number(self.run.get("load"), name)

    def rate_to(self, endpoints: Collection[str]) -> float:
        """Return how many requests a second are asked for to `endpoints`."""
        load = _mapping(self.run, "load")
        mix = _mapping(load, "mix")
        everything = sum(_number(mix, name) for name in mix)
        if not everything:
            raise Untold("mix")
        return self.load("rate") * sum(_number(mix, name) for name in endpoints) / everything

    def unready_after_s(self) -> float:
        """Return for how long a readiness probe must fail until the pod gets no new connection.

        periodSeconds times failureThreshold:
        https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/#configure-probes
        """
        facts = _mapping(self.run, "facts")
        # As it was read back; a stage that does not do so tells at least what was set otherwise.
        probe = facts.get("readiness_probe") or _mapping(
            _mapping(facts, "overrides"), "readiness_probe"
        )
        return _number(probe, "period_seconds") * _number(probe, "failure_threshold")


def foretold(draw: Callable[[Told], Forecast | None]) -> Foresee:
    """Return what draws a forecast from the first line, or None where that does not tell enough."""

    @wraps(draw)
    def foresee(run: Event) -> Forecast | None:
        try:
            return draw(Told(run))
        except Untold:
            return None

    return foresee


def _mapping(given: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = given.get(name)
    if not isinstance(found, Mapping):
        raise Untold(name)
    return found


def _number(given: object, name: str) -> float:
    found = given.get(name) if isinstance(given, Mapping) else None
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise Untold(name)
    if not 0 <= found < inf:
        raise Untold(name)
    return found
