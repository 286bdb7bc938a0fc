"""The place of containers: a lab whose nodes kind made, with the service deployed.

What is said of the six machines of a sandbox holds here as well, but for what is listed: whatever
needs more is refused.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from lab.errors import InvalidValue, LabError
from lab.lifecycle import record as records
from lab.lifecycle.lab import Lab
from lab.lifecycle.lock import exclusive
from lab.machines.topology import Node, make_nodes
from lab.paths import Paths
from lab.progress import Progress
from lab.scenario.needs import Lacks, Need
from lab.stages.clock_mode import ClockMode
from lab.stages.sandbox import SandboxGround, enter_lab

NAME = "kind"
FULL = 6
ALWAYS: Lacks = {
    Need.API_SERVER: "kind has one control plane here, which is the observer's home as well: a "
    "second one would need a balancer between them, from a registry",
    Need.DISKS: "a node's disk is an anonymous volume of Docker, on the disk of all others",
}
"""What no cluster of kind here can show."""
TOLD_BY_SIX = (Need.NODES, Need.NETWORK, Need.NODE_AGENT, Need.EVICTION)
"""What takes nodes away, and needs the others to stay."""


def lacks(nodes: Sequence[Node]) -> Lacks:
    """Return what a cluster of these nodes cannot show."""
    if len(nodes) >= FULL:
        return ALWAYS
    why = f"this cluster has {len(nodes)} nodes, and the roles that six would have share them"
    return {**ALWAYS, **dict.fromkeys(TOLD_BY_SIX, why)}


def lacks_of(paths: Paths, lab_name: str) -> Lacks:
    """Return what the lab of that name cannot show; of one that is not there, what none can."""
    try:
        return lacks(records.load(paths, lab_name).nodes)
    except LabError:
        return lacks(make_nodes(FULL))


@contextmanager
def enter(
    paths: Paths, lab_name: str, mode: ClockMode, progress: Progress
) -> Iterator[SandboxGround]:
    """Have the lab to oneself. Raises LabError where there is none, or no service on it."""
    with exclusive(paths, lab_name):
        lab = Lab.load(paths, lab_name)
        if lab.record.kind is None:
            raise InvalidValue(
                f"the nodes of lab {lab_name!r} are none of kind",
                hint=f"sudo lab scenario run --name {lab_name} --stage sandbox",
            )
        with enter_lab(lab, mode, progress, stage=NAME) as ground:
            yield ground
