"""Place nodes on a host whose PID 1 is not systemd: in cgroups of our own."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lab.machines import cgroups, network
from lab.machines.cgroups import Limits
from lab.machines.processes import ProcessId, identify
from lab.machines.topology import Node

# A process enters its cgroups before it becomes nspawn, so that nspawn's cgroup
# namespace has the node's own subtree as its root.
_ENTER = 'while [ "$1" != -- ]; do echo $$ > "$1" || exit 97; shift; done; shift; exec "$@"'


@dataclass(frozen=True, slots=True)
class PlainHost:
    """Implements `lab.machines.sandbox.Placement` without a service manager."""

    @property
    def registered(self) -> bool:
        return False

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
        groups = cgroups.make(_group(lab_id, node), limits)
        doors = [str(group / "cgroup.procs") for group in groups]
        return spawn(
            ["/bin/sh", "-c", _ENTER, "sh", *doors, "--", *argv],
            console=console,
            environment=environment,
        )

    def processes(self, lab_id: str, node: Node) -> set[int]:
        return cgroups.processes(_group(lab_id, node))

    def clean(self, lab_id: str, node: Node) -> None:
        cgroups.remove(_group(lab_id, node))

    def clean_all(self, lab_id: str) -> None:
        cgroups.remove(network.name(lab_id))


def _group(lab_id: str, node: Node) -> str:
    return f"{network.name(lab_id)}/{node.name}"


def spawn(argv: Sequence[str], *, console: Path, environment: Mapping[str, str]) -> ProcessId:
    """Start a program that outlives its caller, in a session of its own."""
    console.touch(mode=0o600)
    appending = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    pid = os.posix_spawnp(
        argv[0],
        list(argv),
        {**os.environ, **environment},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(console), appending, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
            # A lock or a pipe of whoever called lab must not stay open as long as a node runs.
            *((os.POSIX_SPAWN_CLOSE, descriptor) for descriptor in _inherited()),
        ],
        setsid=True,
    )
    return identify(pid)


def _inherited() -> list[int]:
    """Return the descriptors that the next program would get from us, beyond the first three."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            if int(entry.name) > 2 and os.get_inheritable(int(entry.name)):
                found.append(int(entry.name))
    return found
