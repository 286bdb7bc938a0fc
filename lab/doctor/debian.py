"""Which Debian packages does the lab need on the host, and how are missing ones installed?"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from lab.doctor.findings import Finding
from lab.doctor.programs import NEEDS
from lab.errors import CommandFailed, HostUnfit, NotRoot
from lab.machines.commands import describe_failure

Command = tuple[str, ...]

_APT_GET = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get")
_INSTALL = ("install", "-y", "--no-install-recommends")


class Run(Protocol):
    def __call__(self, command: Command) -> None:
        """Run `command` to its end; raise CommandFailed when it fails."""
        ...


def debian_packages() -> tuple[str, ...]:
    """Return every package that a host without anything would get."""
    return tuple(sorted({need.package for need in NEEDS}))


def missing_packages(findings: Sequence[Finding]) -> tuple[str, ...]:
    """Return the packages of what is required and was not found."""
    failed = {finding.name for finding in findings if finding.required and not finding.ok}
    return tuple(sorted({need.package for need in NEEDS if need.name in failed}))


def fix(findings: Sequence[Finding], run: Run, *, root: Path = Path("/")) -> list[Command]:
    """Install what `findings` miss and return the commands that were run.

    Raises HostUnfit where there is no apt-get, NotRoot without root.
    """
    packages = missing_packages(findings)
    if not packages:
        return []
    if not is_debian(root):
        raise HostUnfit(
            f"not a Debian host, install what these Debian packages hold: {', '.join(packages)}",
            hint="lab doctor",
        )
    if os.geteuid() != 0:
        raise NotRoot(
            f"cannot install {', '.join(packages)} without root", hint="sudo lab doctor --fix"
        )
    commands = plan(packages, has_lists=_has_lists(root))
    for command in commands:
        run(command)
    return commands


def plan(packages: Sequence[str], *, has_lists: bool) -> list[Command]:
    update = [] if has_lists else [(*_APT_GET, "update")]
    return [*update, (*_APT_GET, *_INSTALL, *packages)]


def is_debian(root: Path = Path("/")) -> bool:
    """Return whether this is Debian or made from it, and has apt-get."""
    try:
        return (root / "etc/debian_version").exists() and (root / "usr/bin/apt-get").exists()
    except PermissionError:
        return False


def _has_lists(root: Path) -> bool:
    return any((root / "var/lib/apt/lists").glob("*_Packages*"))


def run_into(log: Path) -> Run:
    """Return a way to run commands that keeps what they print in `log`, to be shown on failure."""

    def run(command: Command) -> None:
        with log.open("ab") as file:
            start = file.tell()
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, check=False
            )
        if done.returncode != 0:
            output = log.read_bytes()[start:].decode(errors="replace")
            reason = describe_failure(command, done.returncode, output)
            raise CommandFailed(reason, hint=f"less {log}")

    return run
