from pathlib import Path

from lab.machines import placement, systemd
from lab.machines.cgroups import Limits
from lab.machines.plain import PlainHost
from lab.machines.systemd import SystemdHost
from lab.machines.topology import Node


def test_a_host_booted_by_systemd_registers_its_nodes(tmp_path: Path) -> None:
    assert isinstance(placement.of_this_host(tmp_path), SystemdHost)


def test_a_host_without_systemd_places_nodes_itself(tmp_path: Path) -> None:
    assert isinstance(placement.of_this_host(tmp_path / "none"), PlainHost)


def test_a_scope_is_delegated_and_carries_the_limits() -> None:
    command = systemd.scope_command("abcd", Node(2), Limits(2**30, 500, 2048))

    assert "--unit=lab-abcd-n2.scope" in command
    assert "--slice=lab-abcd.slice" in command
    assert {"Delegate=yes", "MemoryMax=1073741824", "TasksMax=500", "CPUWeight=200"} <= set(command)
