"""What does an idle cluster cost its host: memory, CPU, disk?"""

import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import Figure
from lab.machines import cgroups
from lab.machines.commands import run

SETTLE_S = 60
WATCH_S = 30


def measure(lab_id: str, directory: Path, cache: Path) -> list[Figure]:
    """Let the cluster settle, then watch it."""
    time.sleep(SETTLE_S)
    cores = cores_used(lab_id, watch_s=WATCH_S)
    memory = sum(map(memory_used, node_groups(lab_id, "memory")))
    return [
        Figure("memory", "MiB", (memory / 2**20,), note="cgroup memory less page cache, six nodes"),
        Figure("CPU", "cores", (cores,), note=f"over {WATCH_S} s, {SETTLE_S} s after `lab up`"),
        Figure("disk of the lab", "MiB", (disk_used(directory) / 2**20,)),
        Figure("disk of the artifacts", "MiB", (disk_used(cache / "artifacts") / 2**20,)),
        Figure(
            "disk of the compilers' caches",
            "MiB",
            (disk_used(cache / "build") / 2**20,),
            note="`lab artifacts prune --build` removes them",
        ),
    ]


def node_groups(lab_id: str, controller: str, *, root: Path = cgroups.ROOT) -> list[Path]:
    """Return the cgroup of each node: below the lab's own, or in its slice under systemd."""
    top = root if cgroups.is_unified(root) else root / controller
    places = (top / f"lab-{lab_id}", top / "lab.slice" / f"lab-{lab_id}.slice")
    found = [path for place in places if place.is_dir() for path in place.iterdir()]
    return sorted(path for path in found if path.is_dir())


def memory_used(group: Path) -> int:
    """Return bytes charged to the group and all below it, less its page cache."""
    stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    # v1 counts the group alone unless asked for the total.
    total = "total_" if "total_inactive_file" in stat else ""
    cached = sum(int(stat[f"{total}{kind}_file"]) for kind in ("inactive", "active"))
    return _number(group, "memory.current", "memory.usage_in_bytes") - cached


def cores_used(lab_id: str, *, watch_s: float) -> float:
    groups = node_groups(lab_id, "cpuacct")
    before, started = _cpu_seconds(groups), time.monotonic()
    time.sleep(watch_s)
    return (_cpu_seconds(groups) - before) / (time.monotonic() - started)


def disk_used(directory: Path) -> int:
    """Return the bytes on disk; the nodes' mounted roots are not counted a second time."""
    if not directory.is_dir():
        return 0
    # Files of running nodes come and go, and du reports each that it missed.
    shown = run(
        ["sh", "-c", 'du -sx --block-size=1 "$1" 2>/dev/null || true', "sh", str(directory)],
        timeout_s=120,
    )
    return int(shown.split()[0])


def _cpu_seconds(groups: Sequence[Path]) -> float:
    return sum(map(_cpu_seconds_of, groups))


def _cpu_seconds_of(group: Path) -> float:
    v1 = group / "cpuacct.usage"
    if v1.exists():
        return int(v1.read_text()) / 1e9
    return int((group / "cpu.stat").read_text().split()[1]) / 1e6


def _number(group: Path, *names: str) -> int:
    file = next(group / name for name in names if (group / name).exists())
    return int(file.read_text())
