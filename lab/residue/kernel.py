"""What is mounted, which cgroups are there, and how is the kernel set?"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from lab.residue.fingerprint import Facts

# Deep enough for lab-k7q2/n1, and for a node's scope within a slice of systemd.
CGROUP_DEPTH = 3

# Host-wide settings that a lab raises, that kubelets, kube-proxy and the systemds of nodes
# write, and those that a sysctl.d in a node root would.
SYSCTLS = (
    "kernel.core_pattern",
    "kernel.keys.*",
    "kernel.panic",
    "kernel.panic_on_oops",
    "kernel.pid_max",
    "kernel.printk",
    "kernel.sysrq",
    "kernel.threads-max",
    "vm.max_map_count",
    "vm.overcommit_memory",
    "vm.panic_on_oom",
    "vm.swappiness",
    "fs.file-max",
    "fs.nr_open",
    "fs.inotify.*",
    "fs.protected_*",
    "net.bridge.*",
    "net.core.default_qdisc",
    "net.core.somaxconn",
    "net.ipv4.conf.all.forwarding",
    "net.ipv4.conf.all.route_localnet",
    "net.ipv4.conf.all.rp_filter",
    "net.ipv4.ip_forward",
    "net.ipv6.conf.all.forwarding",
    "net.netfilter.nf_conntrack_buckets",
    "net.netfilter.nf_conntrack_max",
)

_MOUNTS = Path("/proc/self/mounts")
_OCTAL = re.compile(r"\\([0-7]{3})")


def read_mounts(table: Path = _MOUNTS) -> Facts:
    return parse_mounts(table.read_text())


def parse_mounts(text: str) -> Facts:
    """Return mount point → "type source", the later one after the earlier one it covers."""
    found: Facts = {}
    for line in text.splitlines():
        source, target, kind = map(_unescape, line.split(" ")[:3])
        covered = f"{found[target]}, then " if target in found else ""
        found[target] = f"{covered}{kind} {source}"
    return found


def _unescape(field: str) -> str:
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), field)


def read_cgroups(table: Path = _MOUNTS) -> Facts:
    """Return path below the root → the hierarchies that have it."""
    found: dict[str, list[str]] = {}
    for line in table.read_text().splitlines():
        target, kind = line.split(" ")[1:3]
        if kind in ("cgroup", "cgroup2"):
            for group in _directories(target, "", CGROUP_DEPTH):
                found.setdefault(group, []).append(Path(target).name)
    return {group: " ".join(sorted(hierarchies)) for group, hierarchies in found.items()}


def _directories(root: str, below: str, depth: int) -> Iterator[str]:
    try:
        with os.scandir(f"{root}/{below}") as entries:
            names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return  # it ended while we looked
    for name in names:
        path = f"{below}/{name}" if below else name
        yield path
        if depth > 1:
            yield from _directories(root, path, depth - 1)


def read_sysctls(proc: Path = Path("/proc/sys")) -> Facts:
    found: Facts = {}
    for pattern in SYSCTLS:
        for path in proc.glob(pattern.replace(".", "/")):
            name = ".".join(path.relative_to(proc).parts)
            try:
                found[name] = " ".join(path.read_text().split())
            except PermissionError:
                continue  # some are for root only
    return found


def read_modules(table: Path = Path("/proc/modules")) -> Facts:
    if not table.exists():
        return {}  # a kernel that has everything built in
    return {line.split()[0]: "loaded" for line in table.read_text().splitlines()}
