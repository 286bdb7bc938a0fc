"""Has the host enough disk, memory and kernel limits for the nodes, and a clock to trust?"""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lab.doctor.findings import Finding
from lab.doctor.kernel import existing
from lab.paths import Paths

GB, GIB = 10**9, 2**30

# A cold build downloads, compiles and keeps in the cache; nodes write to the lab's own data.
CACHE_NEEDS = 8 * GB
DATA_NEEDS = 4 * GB
MEMORY_PER_NODE = GIB // 2

# Six systemds and kubelets use some 300 inotify instances.
INOTIFY = {"fs.inotify.max_user_instances": 512, "fs.inotify.max_user_watches": 65536}
# Every container takes a key, and these are what a kubelet wants to find.
KEYS = {"kernel.keys.root_maxkeys": 1_000_000, "kernel.keys.root_maxbytes": 25_000_000}
# Far more than six busy nodes have, and less than any usual default.
TASKS = {"kernel.pid_max": 16384, "kernel.threads-max": 16384}

EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Place:
    """A directory that needs `needed` bytes on `device`, which has `free` left."""

    path: Path
    needed: int
    device: int
    free: int


def disk(paths: Paths, *, artifacts_cached: bool) -> Finding:
    cache = _measure(paths.cache, 0 if artifacts_cached else CACHE_NEEDS)
    return judge_disk([cache, _measure(paths.data, DATA_NEEDS)])


def judge_disk(places: list[Place]) -> Finding:
    """Directories on one file system need the sum of what each needs."""
    seen, short = [], []
    for device in dict.fromkeys(place.device for place in places if place.needed):
        there = [place for place in places if place.device == device]
        needed, free = sum(place.needed for place in there), there[0].free
        names = " and ".join(str(place.path) for place in there)
        seen.append(f"{free / GB:.1f} GB free for {names}, needs {needed / GB:g} GB")
        short += [place for place in there if free < needed]
    detail = "; ".join(seen)
    if not short:
        return Finding("disk", True, detail)
    larger = "XDG_CACHE_HOME and XDG_DATA_HOME set to directories on a larger file system"
    return Finding("disk", False, detail, f"lab artifacts prune, or {larger}")


def _measure(path: Path, needed: int) -> Place:
    there = existing(path)
    space = os.statvfs(there)
    return Place(path, needed, there.stat().st_dev, space.f_bavail * space.f_frsize)


def memory(*, nodes: int, proc: Path = _PROC) -> Finding:
    lines = (proc / "meminfo").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    available = int(fields["MemAvailable"].split()[0]) * 1024
    needed = nodes * MEMORY_PER_NODE
    detail = f"{available / GIB:.1f} GiB available, {nodes} nodes need {needed / GIB:g} GiB"
    if available >= needed:
        return Finding("memory", True, detail)
    fitting = max(1, available // MEMORY_PER_NODE)
    return Finding("memory", False, detail, f"end other programs, or lab up --nodes {fitting}")


def inotify(*, proc: Path = _PROC) -> Finding:
    return _advise("inotify", INOTIFY, proc)


def keys(*, proc: Path = _PROC) -> Finding:
    return _advise("keys", KEYS, proc)


def _advise(name: str, wanted: dict[str, int], proc: Path) -> Finding:
    """`lab up` raises these itself, so that they are low is no reason to refuse."""
    values, low = _limits(wanted, proc)
    if not low:
        return Finding(name, True, values, None, required=False)
    detail = f"{values}: `lab up` raises what is low while a lab is up"
    return Finding(name, False, detail, _sysctl(low), required=False)


def tasks(*, proc: Path = _PROC) -> Finding:
    values, low = _limits(TASKS, proc)
    return Finding("tasks", not low, values, _sysctl(low) if low else None)


def _limits(wanted: dict[str, int], proc: Path) -> tuple[str, dict[str, int]]:
    """Return the values as text, and what is lower than wanted."""
    values = {name: int((proc / "sys" / name.replace(".", "/")).read_text()) for name in wanted}
    text = ", ".join(f"{name} = {value}" for name, value in values.items())
    return text, {name: wanted[name] for name, value in values.items() if value < wanted[name]}


def _sysctl(values: dict[str, int]) -> str:
    return "sysctl -w " + " ".join(f"{name}={value}" for name, value in values.items())


def clock(now: datetime | None = None) -> Finding:
    """Certificates and signatures are valid for a time only."""
    now = now or datetime.now(UTC)
    detail = f"it is {now:%Y-%m-%d %H:%M} UTC"
    if EARLIEST <= now < LATEST:
        return Finding("clock", True, detail)
    wrong = f"{detail}, which cannot be"
    return Finding("clock", False, wrong, "date --utc --set 'YYYY-MM-DD hh:mm'")
