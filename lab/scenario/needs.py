"""What does a scenario need of a stage, beyond traffic, a database, migrations and rollouts?

A stage tells what of it it lacks and why; a scenario that needs one of those is refused
there, never played with something left out.
"""

from collections.abc import Mapping
from enum import StrEnum

from lab.errors import BadInput
from lab.scenario.model import Scenario


class Need(StrEnum):
    NODES = "nodes"
    """Machines that lose their power, or are drained."""
    NETWORK = "network"
    """A way between pods, nodes and database that can be cut."""
    NODE_AGENT = "node-agent"
    """A kubelet that can be stopped while its containers go on."""
    EVICTION = "eviction"
    """Drains and disruption budgets."""
    OPERATOR = "operator"
    """A shell in which the service's own program answers whoever is on call."""
    API_SERVER = "api-server"
    CONTROLLERS = "controllers"
    """More than one Deployment and Jobs that are tried once."""
    IMAGES = "images"
    RESOURCES = "resources"
    SECRETS = "secrets"
    DISKS = "disks"


Lacks = Mapping[Need, str]
"""What a stage cannot show, each with a sentence that says why."""


def missing(scenario: Scenario, lacks: Lacks) -> dict[Need, str]:
    """Return what `scenario` needs of what is lacking, with the reasons."""
    return {need: lacks[need] for need in map(Need, scenario.needs) if need in lacks}


def refuse(scenario: Scenario, stage: str, lacks: Lacks, *, others: tuple[str, ...]) -> None:
    """Raise BadInput with all reasons when `stage` cannot show `scenario`."""
    found = missing(scenario, lacks)
    if not found:
        return
    reasons = "; ".join(f"{need.value}: {why}" for need, why in found.items())
    hint = f"lab scenario run {scenario.name} --stage {others[0]}" if others else None
    raise BadInput(f"{scenario.name} cannot be shown on the {stage} ({reasons})", hint=hint)
