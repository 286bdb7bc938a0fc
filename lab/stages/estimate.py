"""How long will it take to play a variant here? From earlier runs, else from the scenario.

What was measured counts: the median of the newest valid runs on the same stage with the same
clock, since shorter timers are there to make it quicker. A scenario
that was never played there is guessed from its baseline and from how long its steps may wait,
of which they take a part that hardly differs between scenarios. The guess is rough, and the first
run replaces it.
"""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self

from lab.scenario.model import Scenario, Variant
from lab.scenario.verdict import Outcome
from lab.stages.place import Place
from lab.stages.twin_profile import BASELINE_S, QUIET_S
from lab.store import Store

NEWEST = 5
QUIET_USUAL_S = 5.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How a stage goes: `fixed_s` for reset and audit, and the part of its bounds a step takes.

    `baseline_s` and `quiet_s` are None where the scenario's own count.
    """

    fixed_s: float
    part: float
    baseline_s: float | None = None
    quiet_s: float = QUIET_USUAL_S


PACES = {
    "twin": Pace(fixed_s=12, part=0.04, baseline_s=BASELINE_S, quiet_s=QUIET_S),
    "kind": Pace(fixed_s=20, part=0.1),
    "sandbox": Pace(fixed_s=20, part=0.1),
}
"""From half-migrated-rename, on two cores."""


@dataclass(slots=True)
class Estimates:
    """Estimates for one stage; the runs of a scenario are looked through once, until `forget`.

    `clock` is the mode of it as runs tell it.
    """

    store: Store
    stage: str
    clock: str
    _measured: dict[str, dict[str, float]] = field(default_factory=dict)

    @classmethod
    def at(cls, place: Place, store: Store) -> Self:
        return cls(store, place.name, place.clock)

    def seconds(self, scenario: Scenario, variants: Iterable[Variant]) -> float:
        """Return how long these variants will take, played one after the other."""
        return sum(self._one(scenario, variant) for variant in variants)

    def forget(self, scenario: str) -> None:
        """There are new runs of it."""
        self._measured.pop(scenario, None)

    def _one(self, scenario: Scenario, variant: Variant) -> float:
        if scenario.name not in self._measured:
            found = measured(self.store, scenario.name, stage=self.stage, clock=self.clock)
            self._measured[scenario.name] = found
        known = self._measured[scenario.name].get(variant.name)
        return guess(scenario, variant, self.stage) if known is None else known


def measured(store: Store, scenario: str, *, stage: str, clock: str) -> dict[str, float]:
    """Return the median wall time in seconds, by variant, of the newest valid runs there."""
    walls: dict[str, list[float]] = {}
    for told in _objects(store, scenario):
        taken = walls.setdefault(told["variant"], [])
        valid = told["outcome"] not in (None, Outcome.INVALID)
        here = (told.get("stage"), told.get("clock")) == (stage, clock)
        if valid and here and len(taken) < NEWEST:
            taken.append(float(told["figures"]["wall_s"]))
    return {variant: statistics.median(taken) for variant, taken in walls.items() if taken}


def _objects(store: Store, scenario: str) -> Iterable[dict[str, Any]]:
    for run in store.runs(scenario):
        yield from store.objects(run)


def guess(scenario: Scenario, variant: Variant, stage: str) -> float:
    """Return a rough duration in seconds from what the scenario says."""
    pace = PACES[stage]
    baseline_s = scenario.baseline_s if pace.baseline_s is None else pace.baseline_s
    bounds_s = sum(
        step.when.within_s + (step.observed_within_s if step.fault else 0)
        for step in variant.timeline
    )
    return pace.fixed_s + baseline_s + pace.part * bounds_s + pace.quiet_s
