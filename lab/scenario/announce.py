"""What is going to be done, and what is foreseen: one line of the history, before it begins.

Whoever looks on, now or later, is told from the history alone.
"""

from typing import Any

from lab.scenario.events import Event
from lab.scenario.forecast import Forecast, nobody
from lab.scenario.model import Role, Step, Variant


def announce(variant: Variant, run: Event, forecast: Forecast | None) -> dict[str, Any]:
    """Return the line that follows `run`, the first one."""
    return {
        "kind": "plan",
        "t": run["t"],
        "role": variant.role.value,
        "steps": [_told(step) for step in variant.timeline],
        "claims": [check.name for check in variant.checks],
        "forecast": forecast.to_json() if forecast else None,
    }


def foresee(variant: Variant, run: Event) -> Forecast | None:
    """Return what follows from the scenario alone, None where it says nothing of seconds."""
    if variant.foresee is not None:
        return variant.foresee(run)
    is_to_hold = variant.role is Role.CAREFUL and variant.predicted is None
    return nobody(run) if is_to_hold else None


def _told(step: Step) -> dict[str, str]:
    does = step.fault.describe() if step.fault else ""
    return {"name": step.name, "when": step.when.sentence, "does": does}
