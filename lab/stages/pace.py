"""Play at a person's pace: nothing is done before somebody lets it go on.

A demonstration waits while a room makes its guess. Only what is done waits; traffic, probes and
clocks go on, so what is predicted from what was observed still holds.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Protocol

from lab.scenario.history import History
from lab.scenario.model import Condition, Step, Variant

HOLD_S = 3_600.0
"""How long a step may be held, beside what it waits for anyway."""


class Gate(Protocol):
    """Whoever sets the pace. It is asked often, from the thread that plays."""

    def may_pass(self, variant: str, step: str) -> bool:
        """Tell whether the step, which could come now, may."""
        ...

    def wait_for(self, variant: str) -> None:
        """Return when the variant may begin."""
        ...


def one_by_one(variants: Iterable[Variant], gate: Gate) -> Iterator[Variant]:
    """Yield each variant when it may begin, with its steps held by `gate`."""
    for variant in variants:
        gate.wait_for(variant.name)
        yield paced(variant, gate)


def paced(variant: Variant, gate: Gate) -> Variant:
    """Return `variant` with each step that does something held by `gate`."""
    timeline = tuple(
        step if step.fault is None else _held(variant.name, step, gate) for step in variant.timeline
    )
    return replace(variant, timeline=timeline)


def _held(variant: str, step: Step, gate: Gate) -> Step:
    when = step.when

    def holds(history: History, now: int) -> bool:
        # The gate is asked last: what is held could come now.
        return when.holds(history, now) and gate.may_pass(variant, step.name)

    told = Condition(when.sentence, holds, when.within_s + HOLD_S, when.needs)
    return replace(step, when=told)
