"""The cgroups of the nodes on a host whose PID 1 is not systemd.

Each node has one subtree in every hierarchy, /sys/fs/cgroup/<h>/lab-<id>/<node>
(on a unified host the one below /sys/fs/cgroup), which its cgroup namespace
takes for the root. Without it all kubelets of the host would share /kubepods
and remove each other's pods as orphans. What a node that lost its power left
there is removed before it boots again: its next kubelet would look at each dead
container for three seconds.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lab.errors import MachineError

ROOT = Path("/sys/fs/cgroup")
CONTROLLERS = ("cpu", "cpuset", "memory", "pids")
_REMOVAL_BOUND_S = 5.0
# Of all nodes of a lab together. By default a cgroup counts as much as one process beside
# it, so that a compiler with eight would leave six machines a ninth of the host.
LAB_SHARES = 8192


@dataclass(frozen=True, slots=True)
class Limits:
    """What one node may use: bytes of memory, number of tasks, and its share of the CPU."""

    memory: int
    tasks: int
    cpu_shares: int


def share_out(total_memory: int, node_count: int, servers: int = 1) -> tuple[Limits, Limits]:
    """Return the limits of each server and of each other node.

    A server runs the control plane, and n1 the observer too, so it gets twice the memory and
    the CPU shares of another node: a busy rollout must not look like a bad service.
    """
    part = max(total_memory * 9 // 10 // (node_count + servers), 1536 * 1024**2)
    return Limits(2 * part, 16384, 2048), Limits(part, 8192, 1024)


def hierarchies(root: Path = ROOT) -> tuple[Path, ...]:
    """Return the root of every mounted hierarchy: one if unified, else one a controller set."""
    if is_unified(root):
        return (root,)
    mounted = [path for path in root.iterdir() if path.is_dir() and not path.is_symlink()]
    return tuple(sorted(path for path in mounted if (path / "cgroup.procs").exists()))


def weight(cpu_shares: int) -> int:
    """Return the cpu.weight of cgroup v2 for v1's shares: 100 is the default there, 1024 here."""
    return max(cpu_shares * 100 // 1024, 1)


def is_unified(root: Path = ROOT) -> bool:
    """Whether `root` is a cgroup of the unified hierarchy, cgroup v2."""
    return (root / "cgroup.controllers").exists()


def make(group: str, limits: Limits, *, root: Path = ROOT) -> list[Path]:
    """Create `lab-<id>/<node>` anew in every hierarchy; return the directories."""
    remove(group, root=root)
    made = []
    for hierarchy in hierarchies(root):
        directory = hierarchy
        for part in Path(group).parts:
            _delegate(directory)
            directory /= part
            directory.mkdir(exist_ok=True)
            _fill_cpuset(directory)
        _share(hierarchy / Path(group).parts[0], LAB_SHARES)
        _limit(directory, limits)
        made.append(directory)
    return made


def processes(group: str, *, root: Path = ROOT) -> set[int]:
    """Return the pids in the group and everything below it, in any hierarchy."""
    found: set[int] = set()
    for hierarchy in hierarchies(root):
        for directory in _subtree(hierarchy / group):
            with suppress(OSError):
                found.update(map(int, (directory / "cgroup.procs").read_text().split()))
    return found


def remove(group: str, *, root: Path = ROOT) -> None:
    """Remove the group's subtrees; their processes must be gone or going."""
    deadline = time.monotonic() + _REMOVAL_BOUND_S
    while left := [d for h in hierarchies(root) for d in _subtree(h / group) if not _rmdir(d)]:
        if time.monotonic() > deadline:
            pids = ", ".join(map(str, sorted(processes(group, root=root)))) or "none"
            raise MachineError(f"cgroup {left[0]} cannot be removed (processes in it: {pids})")
        time.sleep(0.02)


def _subtree(directory: Path) -> Iterator[Path]:
    """Yield every cgroup below and the directory itself, deepest first."""
    if not directory.is_dir():
        return
    with suppress(FileNotFoundError):
        for child in directory.iterdir():
            if child.is_dir():
                yield from _subtree(child)
    yield directory


def _rmdir(directory: Path) -> bool:
    try:
        directory.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _delegate(directory: Path) -> None:
    """On the unified hierarchy a child has only the controllers its parent passes on."""
    if not (directory / "cgroup.subtree_control").exists():
        return
    available = (directory / "cgroup.controllers").read_text().split()
    wanted = " ".join(f"+{name}" for name in CONTROLLERS if name in available)
    (directory / "cgroup.subtree_control").write_text(wanted)


def _fill_cpuset(directory: Path) -> None:
    """On v1 a cpuset starts empty, and no process can enter an empty one."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        file = directory / name
        if file.exists() and not file.read_text().strip() and not is_unified(directory):
            file.write_text((directory.parent / name).read_text())


def _limit(directory: Path, limits: Limits) -> None:
    values = {
        "memory.limit_in_bytes": limits.memory,
        "memory.max": limits.memory,
        "pids.max": limits.tasks,
    }
    _write(directory, values)
    _share(directory, limits.cpu_shares)


def _share(directory: Path, cpu_shares: int) -> None:
    _write(directory, {"cpu.shares": cpu_shares, "cpu.weight": weight(cpu_shares)})


def _write(directory: Path, values: Mapping[str, int]) -> None:
    """Write what this hierarchy has files for."""
    for name, value in values.items():
        if (directory / name).exists():
            (directory / name).write_text(str(value))
