"""Which cgroup layout has this host, and can nodes be placed in it?"""

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from lab.doctor.findings import Finding, one_line
from lab.errors import LabError, ToolMissing
from lab.machines.commands import run

NEEDED_V1 = ("cpu", "cpuset", "memory", "pids", "devices", "freezer", "blkio")
NEEDED_V2 = ("cpu", "cpuset", "memory", "pids")
# Not a controller: where systemd in a node keeps its services on v1.
SYSTEMD = "name=systemd"

_BOUND_S = 1.5


class Layout(StrEnum):
    UNIFIED = "cgroup v2"
    HYBRID = "cgroup v1 with v2 beside it (hybrid)"
    LEGACY = "cgroup v1"
    NONE = "no cgroups"


@dataclass(frozen=True, slots=True)
class Hierarchies:
    """Where each controller of v1 is mounted, and where v2 is."""

    v1: dict[str, Path]
    v2: Path | None

    @property
    def layout(self) -> Layout:
        # A name=systemd hierarchy alone is what container runtimes leave on v2 hosts.
        if any(name in self.v1 for name in NEEDED_V1):
            return Layout.LEGACY if self.v2 is None else Layout.HYBRID
        return Layout.NONE if self.v2 is None else Layout.UNIFIED


def find_hierarchies(mounts: str) -> Hierarchies:
    """Read the text of /proc/self/mounts."""
    v1: dict[str, Path] = {}
    v2 = None
    for line in mounts.splitlines():
        _, target, kind, options = line.split(" ")[:4]
        if kind == "cgroup":
            v1 |= dict.fromkeys(options.split(","), Path(target))
        elif kind == "cgroup2":
            v2 = Path(target)
    return Hierarchies({name: v1[name] for name in (*NEEDED_V1, SYSTEMD) if name in v1}, v2)


def cgroups(mounts: Path = Path("/proc/self/mounts")) -> Finding:
    found = find_hierarchies(mounts.read_text())
    if found.layout is Layout.NONE:
        fix = "mount -t cgroup2 cgroup2 /sys/fs/cgroup"
        return Finding("cgroups", False, "no cgroup hierarchy is mounted", fix)
    if found.layout is Layout.UNIFIED and found.v2 is not None:
        return _judge_v2(found.v2)
    return _judge_v1(found)


def _judge_v1(found: Hierarchies) -> Finding:
    missing = [name for name in (*NEEDED_V1, SYSTEMD) if name not in found.v1]
    if missing:
        detail = f"{found.layout}: not mounted: {', '.join(missing)}"
        return Finding("cgroups", False, detail, " && ".join(map(_mount_v1, missing)))
    return _judge_writing(found.layout, sorted({*found.v1.values()}))


def _mount_v1(name: str) -> str:
    place = f"/sys/fs/cgroup/{name.removeprefix('name=')}"
    options = f"none,{name}" if name == SYSTEMD else name
    return f"mkdir -p {place} && mount -t cgroup -o {options} cgroup {place}"


def _judge_v2(root: Path) -> Finding:
    available = (root / "cgroup.controllers").read_text().split()
    missing = [name for name in NEEDED_V2 if name not in available]
    if missing:
        detail = f"{Layout.UNIFIED}: not in {root}/cgroup.controllers: {', '.join(missing)}"
        fix = f"the kernel parameter cgroup_enable={','.join(missing)}, or their delegation"
        return Finding("cgroups", False, detail, fix)
    passed_on = (root / "cgroup.subtree_control").read_text().split()
    kept = [name for name in NEEDED_V2 if name not in passed_on]
    # Only the true root may have processes and pass controllers on; cgroup.type is absent there.
    if kept and (root / "cgroup.type").exists() and (root / "cgroup.procs").read_text().strip():
        detail = f"{Layout.UNIFIED}: processes in {root} keep it from passing on {', '.join(kept)}"
        fix = f"mkdir {root}/init && xargs -n1 < {root}/cgroup.procs > {root}/init/cgroup.procs"
        return Finding("cgroups", False, detail, fix)
    return _judge_writing(Layout.UNIFIED, [root])


def _judge_writing(layout: Layout, hierarchies: list[Path]) -> Finding:
    refused = {path: reason for path in hierarchies if (reason := _why_not_writable(path))}
    if refused:
        paths, reasons = ", ".join(map(str, refused)), ", ".join(sorted(set(refused.values())))
        fix = " && ".join(f"mount -o remount,bind,rw {path}" for path in refused)
        detail = f"{layout}: no group can be made in {paths}: {reasons}"
        return Finding("cgroups", False, detail, fix)
    return Finding("cgroups", True, f"{layout}, groups can be made")


def _why_not_writable(hierarchy: Path) -> str | None:
    group = hierarchy / f"lab-doctor-{os.getpid()}"
    try:
        group.mkdir()
        group.rmdir()
    except OSError as exc:
        return exc.strerror or str(exc)
    return None


def systemd(booted: Path = Path("/run/systemd/system")) -> Finding:
    """Where systemd is PID 1, nodes are registered with its machined."""
    if not booted.is_dir():
        return Finding("systemd", True, "PID 1 is not systemd: nodes are placed without it")
    try:
        run(["machinectl", "list", "--no-legend", "--no-pager"], timeout_s=_BOUND_S)
    except ToolMissing:
        return Finding("systemd", False, "machinectl is missing", "install systemd-container")
    except LabError as exc:
        detail = f"machined does not answer: {one_line(exc.message)}"
        return Finding("systemd", False, detail, "systemctl restart dbus systemd-machined")
    return Finding("systemd", True, "PID 1 is systemd, machined answers")
