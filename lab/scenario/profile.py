"""How long is a scenario watched on this stage?

A scenario tells times for six nodes. A stage that is quicker has its own, as facts:
`baseline_s`, and `quiet_s` for how long it must have been quiet at the end.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lab.scenario.model import Condition, Scenario
from lab.scenario.timeline import quiet

SETTLED = quiet(5)


@dataclass(frozen=True, slots=True)
class Profile:
    baseline_s: float
    settle: Condition


def profile_of(scenario: Scenario, facts: Mapping[str, Any]) -> Profile:
    """Return what counts: what the stage says, else the scenario, else what is usual."""
    settle = scenario.settle or SETTLED
    if "quiet_s" in facts:
        settle = quiet(facts["quiet_s"])
    return Profile(facts.get("baseline_s", scenario.baseline_s), settle)
