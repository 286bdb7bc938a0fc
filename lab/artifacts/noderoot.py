"""Build the Debian root that all nodes share as their lowest layer.

Bookworm and nothing newer: its systemd 252 still knows cgroup v1. What is written
over the packages makes a node boot fast, keep its journal across power cuts
and answer ssh at once; identity (machine id, host keys, names) is each node's own.
"""

import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.artifacts import debian, mmdebstrap
from lab.artifacts.counter import Counter
from lab.artifacts.recipe import Workshop, architecture, digest_text

RECIPE_VERSION = "1"

MACHINE = ("systemd", "systemd-sysv", "dbus", "openssh-server", "python3-minimal", "procps")
NETWORK = ("iproute2", "iptables", "nftables", "ebtables", "ethtool", "conntrack", "socat")
CONTAINERS = ("runc", "kmod", "mount", "util-linux", "ca-certificates")
COMFORT = ("less", "iputils-ping", "curl")
PACKAGES = (*MACHINE, *NETWORK, *CONTAINERS, *COMFORT)

EXCLUDED = (
    "/usr/share/man/*",
    "/usr/share/locale/*",
    "/usr/share/info/*",
    "/usr/share/lintian/*",
    "/usr/share/doc/*",
    "/usr/lib/*/gconv/*",
)

# Nothing of these has work in a node, and each takes part in every boot.
MASKED = (
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "console-getty.service",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty.target",
    "kmod-static-nodes.service",
    "proc-sys-fs-binfmt_misc.automount",
    "sys-fs-fuse-connections.mount",
    "sys-kernel-config.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "systemd-ask-password-console.path",
    "systemd-ask-password-wall.path",
    "systemd-binfmt.service",
    "systemd-firstboot.service",
    "systemd-logind.service",
    "systemd-machine-id-commit.service",
    "systemd-modules-load.service",
    "systemd-networkd.service",
    "systemd-networkd.socket",
    "systemd-pcrphase-sysinit.service",
    "systemd-pcrphase.service",
    "systemd-pstore.service",
    "systemd-random-seed.service",
    "systemd-repart.service",
    "systemd-resolved.service",
    "systemd-timesyncd.service",
    "systemd-update-utmp-runlevel.service",
    "systemd-update-utmp.service",
)

LINKS = {
    **{f"etc/systemd/system/{unit}": "/dev/null" for unit in MASKED},
    "etc/systemd/system/default.target": "/lib/systemd/system/multi-user.target",
}

FILES = {
    # Without PAM a login is faster, and root's locked password does not matter.
    # Provisioning and faults open many sessions at once.
    "etc/ssh/sshd_config.d/10-lab.conf": """\
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
MaxStartups 100
MaxSessions 100
""",
    # The kernel's messages are the host's; six journals of them tell nothing about a node.
    "etc/systemd/journald.conf.d/10-lab.conf": """\
[Journal]
Storage=persistent
SystemMaxUse=64M
ForwardToSyslog=no
ReadKMsg=no
""",
    "etc/systemd/system.conf.d/10-lab.conf": """\
[Manager]
DefaultTimeoutStopSec=15s
""",
    "etc/default/locale": "LANG=C.UTF-8\n",
    "etc/machine-id": "",
    # The mirror it was built from may be private.
    "etc/apt/sources.list": "".join(
        f"deb {source.uris} {suite} {debian.COMPONENT}\n"
        for source in debian.PUBLIC
        for suite in source.suites
    ),
}

# Present here so that the layers of programs, which belong to the calling user,
# do not decide the owner of these directories.
DIRECTORIES = {
    "opt/cni/bin": 0o755,
    "root/.ssh": 0o700,
    "usr/share/lab/images": 0o755,
    "var/log/journal": 0o2755,
}

REMOVED = (
    "dev/*",
    "etc/apt/apt.conf.d/99mmdebstrap",
    "etc/apt/sources.list.d/*",
    "etc/hostname",
    "etc/resolv.conf",
    "etc/ssh/ssh_host_*",
    "var/cache/apt/*",
    "var/cache/debconf/*-old",
    "var/lib/dpkg/*-old",
    "var/log/apt/*",
    "var/log/*.log",
)

INSTALLED = re.compile(r"(?:Unpacking|Setting up) (\S+)")
EXPECTED_STEPS = 2 * 167


@dataclass(frozen=True, slots=True)
class NodeRoot:
    """A recipe; needs root, since the tree holds files of several users."""

    name: str = "noderoot"

    @property
    def needs(self) -> tuple[str, ...]:
        return ()

    @property
    def owned_by_root(self) -> bool:
        return True

    def inputs(self) -> Mapping[str, str]:
        return {
            "architecture": architecture(),
            "configuration": digest_text(repr((LINKS, FILES, DIRECTORIES, REMOVED))),
            "excluded": " ".join(EXCLUDED),
            "packages": " ".join(PACKAGES),
            "recipe": RECIPE_VERSION,
            "suite": debian.SUITE,
        }

    def build(self, workshop: Workshop) -> Mapping[str, str]:
        mmdebstrap.require("the node root")
        with workshop.progress.task("Installing Debian for the nodes") as task:
            steps = Counter(task, EXPECTED_STEPS, INSTALLED)
            mmdebstrap.bootstrap(
                workshop.tree, options(), workshop, what="the node root", is_progress=steps.see
            )
            configure(workshop.tree)
        status = (workshop.tree / "var/lib/dpkg/status").read_text()
        return debian.installed_packages(status)


def options() -> Iterator[str]:
    yield from ("--variant=minbase", "--verbose")
    yield f"--include={','.join(PACKAGES)}"
    yield "--dpkgopt=force-unsafe-io"
    yield from (f"--dpkgopt=path-exclude={pattern}" for pattern in EXCLUDED)
    yield "--dpkgopt=path-include=/usr/share/doc/*/copyright"


def configure(tree: Path) -> None:
    """Make the installed root what nodes share: no identity, nothing that slows a boot."""
    drop_privileges(tree)
    for path in (path for pattern in REMOVED for path in sorted(tree.glob(pattern))):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    for name, mode in DIRECTORIES.items():
        make_directory(tree / name)
        (tree / name).chmod(mode)
    for name, target in LINKS.items():
        link = tree / name
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    for name, text in FILES.items():
        path = tree / name
        make_directory(path.parent)
        path.write_text(text)
        path.chmod(0o644)


def make_directory(path: Path) -> None:
    """Create it and what is above it, readable for all whatever the umask is."""
    for directory in reversed([each for each in (path, *path.parents) if not each.exists()]):
        directory.mkdir()
        directory.chmod(0o755)


def drop_privileges(tree: Path) -> None:
    """Take away set-user-id bits and file capabilities.

    Only root logs in to a node, and on the host the tree lies in a user's cache,
    where a program that makes its caller root has nothing to do.
    """
    for path in (path for path in tree.rglob("*") if path.is_file() and not path.is_symlink()):
        path.chmod(stat.S_IMODE(path.stat().st_mode) & 0o777)
        for name in os.listxattr(path):
            os.removexattr(path, name)
