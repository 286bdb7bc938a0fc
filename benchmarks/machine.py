"""On which machine, and of what versions, were the figures taken?"""

import os
import platform
import re
import sys
from importlib.metadata import version
from pathlib import Path

from lab.artifacts import cache
from lab.artifacts.recipe import Artifact
from lab.machines import cgroups
from lab.machines.commands import run

# Artifact → what of it to name, as its manifest calls it.
_SHOWN = {
    "kubernetes": ("k8s.io/kubernetes", "go"),
    "containerd": ("github.com/containerd/containerd/v2",),
    "etcd": ("go.etcd.io/etcd/server/v3",),
    "coredns": ("github.com/coredns/coredns",),
    "cni": ("github.com/containernetworking/plugins",),
    "noderoot": ("systemd", "runc"),
}


def describe_machine() -> dict[str, str]:
    proc = Path("/proc")
    return {
        "CPU": cpu_model((proc / "cpuinfo").read_text()),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{memory_kib((proc / 'meminfo').read_text()) / 2**20:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "cgroups": "v2" if cgroups.is_unified() else "v1",
        "systemd": "yes" if (proc / "1/comm").read_text().strip() == "systemd" else "no",
    }


def cpu_model(cpuinfo: str) -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def memory_kib(meminfo: str) -> int:
    return int(meminfo.split(maxsplit=2)[1])


def describe_versions(artifacts: dict[str, Artifact]) -> dict[str, str]:
    """Return what the nodes are made from, as the artifacts' manifests have it."""
    versions = {
        "lab": version("deploy-lab"),
        "Python": platform.python_version(),
        "pyinfra": version("pyinfra"),
        "systemd-nspawn": run(["systemd-nspawn", "--version"]).split("(")[1].split(")")[0],
    }
    for name, keys in _SHOWN.items():
        known = cache.read_manifest(artifacts[name]).versions
        versions |= {_short(key): known[key] for key in keys if key in known}
    return versions


def _short(key: str) -> str:
    """Return `etcd` for `go.etcd.io/etcd/server/v3`."""
    names = {"go": "Go", "github.com/containernetworking/plugins": "CNI plugins"}
    known = ("kubernetes", "containerd", "etcd", "coredns")
    return names.get(key) or next((name for name in known if name in key.split("/")), key)


def load_average() -> float:
    return os.getloadavg()[0]


def program(name: str) -> str:
    """Return the program of this virtual environment, as a user runs it."""
    return str(Path(sys.executable).with_name(name))
