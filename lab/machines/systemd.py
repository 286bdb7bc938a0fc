"""Place nodes on a host run by systemd: each in a delegated scope, registered with machined.

The scope carries the node's limits and is `lab-<id>-<node>.scope` in the lab's
slice, which systemd nests by its dashes: /lab.slice/lab-<id>.slice. nspawn keeps
to the scope (--keep-unit): machined would otherwise move the node into a scope
of its own, out of the limits. See systemd's CGROUP_DELEGATION document.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lab.errors import CommandFailed, MachineError
from lab.machines import cgroups, network
from lab.machines.cgroups import Limits
from lab.machines.commands import run
from lab.machines.plain import spawn
from lab.machines.processes import ProcessId
from lab.machines.topology import Node

_SLICES = "lab.slice"
_STOP_BOUND_S = 20.0


@dataclass(frozen=True, slots=True)
class SystemdHost:
    """Implements `lab.machines.sandbox.Placement` by transient scopes."""

    @property
    def registered(self) -> bool:
        return True

    def launch(
        self,
        lab_id: str,
        node: Node,
        argv: Sequence[str],
        *,
        limits: Limits,
        console: Path,
        environment: Mapping[str, str],
    ) -> ProcessId:
        # systemd-run --scope becomes the program it is given, so the pid stays.
        return spawn(
            [*scope_command(lab_id, node, limits), *argv], console=console, environment=environment
        )

    def processes(self, lab_id: str, node: Node) -> set[int]:
        return cgroups.processes(f"{_slice_path(lab_id)}/{_scope(lab_id, node)}")

    def clean(self, lab_id: str, node: Node) -> None:
        """Return when systemd has forgotten the scope, so that the next may have its name."""
        _stop(_scope(lab_id, node))

    def clean_all(self, lab_id: str) -> None:
        """Remove the lab's slice, and the one above it when no other lab is in it."""
        _stop(_slice(lab_id))
        above = cgroups.ROOT / _SLICES
        if above.is_dir() and not any(path.is_dir() for path in above.iterdir()):
            _stop(_SLICES)


def scope_command(lab_id: str, node: Node, limits: Limits) -> list[str]:
    """Return the command that runs what follows it in the node's scope."""
    properties = {
        "Delegate": "yes",
        "MemoryMax": str(limits.memory),
        "TasksMax": str(limits.tasks),
        "CPUWeight": str(cgroups.weight(limits.cpu_shares)),
        # A node's systemd does not heed the SIGTERM that a scope is stopped by.
        "TimeoutStopSec": "15s",
    }
    flags = [part for key, value in properties.items() for part in ("-p", f"{key}={value}")]
    return [
        "systemd-run",
        "--quiet",
        "--scope",
        # A scope that ended by a time-out would keep its name from the next one.
        "--collect",
        f"--unit={_scope(lab_id, node)}",
        f"--slice={_slice(lab_id)}",
        *flags,
        "--",
    ]


def _scope(lab_id: str, node: Node) -> str:
    return f"{network.name(lab_id)}-{node.name}.scope"


def _slice(lab_id: str) -> str:
    return f"{network.name(lab_id)}.slice"


def _slice_path(lab_id: str) -> str:
    return f"{_SLICES}/{_slice(lab_id)}"


def _stop(unit: str) -> None:
    """Return when the unit's name is free; systemd may forget the unit by itself meanwhile."""
    deadline = time.monotonic() + _STOP_BOUND_S
    while _has_name(unit):
        if time.monotonic() > deadline:
            raise MachineError(
                f"systemd did not end {unit} within {_STOP_BOUND_S:g} s",
                hint=f"systemctl status {unit}",
            )
        # It fails for a unit that systemd has forgotten since we looked.
        with suppress(CommandFailed):
            run(["systemctl", "stop", unit])


def _has_name(unit: str) -> bool:
    """Whether the unit is active, or ended and keeps the file that systemd-run made for it."""
    shown = run(["systemctl", "show", "--property=ActiveState,FragmentPath", "--value", unit])
    return shown.split() != ["inactive"]
