"""What can this host run, what is missing, and which command fixes it?

Functions of the kernel are tested by using them in namespaces that end with the test,
never by the names of modules: a module may be built in, load on demand, or be refused.
"""

import os
import shutil
import sys
from functools import partial
from pathlib import Path

from lab.doctor import capacity, cgroups, kernel, network, programs
from lab.doctor.debian import Command, Run, debian_packages, fix, is_debian, run_into
from lab.doctor.findings import Check, Finding, look_at_all
from lab.paths import Paths

__all__ = ["Command", "Finding", "Run", "debian_packages", "examine", "fix", "run_into"]


def examine(
    *,
    paths: Paths,
    lab_dir: Path,
    nodes: int = 6,
    node_root_cached: bool = False,
    artifacts_cached: bool = False,
    within_s: float = 1.9,
) -> list[Finding]:
    """Look at every precondition of the sandbox at once; none stops the others.

    What is cached needs fewer programs and less disk. Without root, what only root can
    try is left out and stands behind the one finding "root".
    """
    if not sys.platform.startswith("linux"):
        return [Finding("linux", False, f"this is {sys.platform}", "a Linux host")]
    checks = [
        *_checks_for_all(paths, lab_dir, nodes=nodes, artifacts_cached=artifacts_cached),
        *programs.program_checks(
            node_root_cached=node_root_cached,
            artifacts_cached=artifacts_cached,
            debian=is_debian(),
        ),
    ]
    if os.geteuid() == 0:
        checks += _checks_for_root(paths)
    release = os.uname().release
    linux = Finding("linux", True, f"Linux {release}")
    return [linux, root(), *look_at_all(checks, within_s=within_s)]


def root() -> Finding:
    if os.geteuid() == 0:
        return Finding("root", True, "runs as root")
    how = "sudo lab up" if shutil.which("sudo") else "su -c 'lab up'"
    return Finding("root", False, f"runs as user {os.geteuid()}: nodes need root", how)


def _checks_for_all(
    paths: Paths, lab_dir: Path, *, nodes: int, artifacts_cached: bool
) -> list[Check]:
    return [
        Check("disk", partial(capacity.disk, paths, artifacts_cached=artifacts_cached)),
        Check("memory", partial(capacity.memory, nodes=nodes)),
        Check("inotify", capacity.inotify, required=False),
        Check("keys", capacity.keys, required=False),
        Check("tasks", capacity.tasks),
        Check("clock", capacity.clock),
        Check("loopback", network.loopback),
        Check("systemd", cgroups.systemd),
        Check("lab", partial(_lab, lab_dir), required=False),
        Check(
            "go",
            partial(programs.go, artifacts_cached=artifacts_cached),
            required=not artifacts_cached,
        ),
    ]


def _checks_for_root(paths: Paths) -> list[Check]:
    return [
        Check("cgroups", cgroups.cgroups),
        Check("namespaces", kernel.namespaces),
        Check("overlay", partial(kernel.overlay, paths.data)),
        Check("kmsg", kernel.kmsg),
        Check("bridge", network.bridge),
        Check("nftables", network.nftables),
        Check("services", network.services),
        Check("netem", network.netem, required=False),
    ]


def _lab(lab_dir: Path) -> Finding:
    if (lab_dir / "lab.json").exists():
        return Finding("lab", True, f"there is a lab in {lab_dir}", None, required=False)
    return Finding("lab", True, f"no lab yet in {lab_dir}", None, required=False)
