"""Can a cluster of kind be made here: Docker, the right to ask it, room and watches?"""

import os
from dataclasses import replace
from functools import partial
from pathlib import Path

from lab.doctor import capacity
from lab.doctor.capacity import GB
from lab.doctor.findings import Check, Finding, look_at_all
from lab.errors import HostUnfit, LabError
from lab.machines import docker

WITHIN_S = 20.0
# The node image, and what six nodes write until the service runs on them.
ROOM_NEEDED = 6 * GB
OLDEST = (20, 10)


def examine_kind(*, nodes: int = 6, within_s: float = WITHIN_S) -> list[Finding]:
    """Look at every precondition at once; needs no root, but the right to ask Docker."""
    checks = [
        Check("docker", daemon),
        Check("room", room),
        Check("memory", partial(capacity.memory, nodes=nodes)),
        Check("inotify", inotify, required=False),
    ]
    return look_at_all(checks, within_s=within_s)


def inotify() -> Finding:
    """Six systemds and kubelets come close to the usual limit, which is not raised for them."""
    found = capacity.inotify()
    return replace(found, detail=found.detail.partition(":")[0])


def daemon() -> Finding:
    """Its containers must be able to have cgroup namespaces of their own, which 20.10 brought."""
    try:
        found = docker.version()
    except LabError as exc:
        return Finding("docker", False, exc.message, exc.hint)
    numbers = tuple(int(part) for part in found.split(".")[:2] if part.isdecimal())
    if numbers < OLDEST:
        return Finding("docker", False, f"Docker {found}, needs 20.10", "a newer Docker")
    return Finding("docker", True, f"Docker {found} answers")


def room() -> Finding:
    """Look where Docker keeps its containers, if that is on this host."""
    try:
        root = Path(docker.docker("info", "--format", "{{.DockerRootDir}}", timeout_s=20).strip())
    except HostUnfit as exc:
        return Finding("room", False, f"Docker could not be asked: {exc.message}", exc.hint)
    if not root.is_dir():
        return Finding("room", True, f"{root} is not on this host", required=False)
    space = os.statvfs(root)
    free = space.f_bavail * space.f_frsize
    told = f"{free / GB:.1f} GB free in {root}, needs {ROOM_NEEDED / GB:g} GB"
    return Finding("room", free >= ROOM_NEEDED, told, "docker system prune")
