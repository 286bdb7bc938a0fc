"""What a stage cannot do is named by the faults that ask for it, and has the time it takes."""

from typing import get_type_hints

import pytest

import lab.faults
from lab.faults import PowerOff, PowerOn, StartAgent, StopAgent
from lab.lifecycle.bounds import BOUNDS
from lab.stages import cluster_nodes, twin
from lab.stages.cluster import ClusterStage
from lab.stages.twin_stage import TwinStage

FAULTS = [getattr(lab.faults, name) for name in lab.faults.__all__ if not name.startswith("Can")]


def asked_for(fault: type) -> set[str]:
    """Return the methods of the capability that the fault asks the stage for."""
    capability = get_type_hints(fault.inject)["stage"]  # type: ignore[attr-defined]
    return {name for name in vars(capability) if not name.startswith("_")}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_that_the_twin_cannot_do_names_what_is_lacking(fault: type) -> None:
    lacking = {name for name in asked_for(fault) if not hasattr(TwinStage, name)}
    needs = set(getattr(fault, "needs", ()))

    assert bool(lacking) == bool(needs & set(twin.LACKS))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_nodes_can_do_all_of_it(fault: type) -> None:
    assert not {name for name in asked_for(fault) if not hasattr(ClusterStage, name)}


@pytest.mark.parametrize("fault", [PowerOff("n4"), PowerOn("n4")], ids=lambda f: f.name)
def test_a_node_may_boot_and_get_ready_before_its_recovery_is_left_behind(
    fault: PowerOff | PowerOn,
) -> None:
    assert fault.recovery_s > BOUNDS.boot_s + cluster_nodes.BOOTED_READY_WITHIN_S


@pytest.mark.parametrize("fault", [StopAgent("n4"), StartAgent("n4")], ids=lambda f: f.name)
def test_an_agent_may_start_before_its_recovery_is_left_behind(
    fault: StopAgent | StartAgent,
) -> None:
    commands_s = 2 * cluster_nodes.COMMAND_WITHIN_S

    assert fault.recovery_s > commands_s + cluster_nodes.READY_WITHIN_S
