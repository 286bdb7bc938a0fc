"""Fetch pinned wheels for the Python of the images, which is not the one that runs lab."""

import importlib.util
import shutil
import sys
from pathlib import Path

from lab.artifacts import process
from lab.artifacts.recipe import Workshop, architecture
from lab.errors import ToolMissing

REQUIREMENTS = Path(__file__).with_name("python")
PYTHON = "3.11"
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
# The C library of the images is 2.36; wheels name the oldest one they run with.
MANYLINUX = ("manylinux_2_28", "manylinux_2_17", "manylinux2014")


def install_wheels(requirements: Path, target: Path, workshop: Workshop) -> None:
    """Unpack what `requirements` pins into `target`, as the caller's.

    Raises BuildFailed, also when a file has none of the digests that are listed.
    """
    command = process.Command(
        (*installer(), "--target", str(target), "--require-hashes", "-r", str(requirements)),
        cwd=workshop.scratch,
        owner=workshop.paths.caller,
        variables={},
    )
    what = f"the wheels of {requirements.name}"
    process.require_success(command, process.run(command), what=what, paths=workshop.paths)


def installer() -> tuple[str, ...]:
    machine = MACHINES[architecture()]
    wanted = ("--no-deps", "--only-binary", ":all:", "--python-version", PYTHON)
    if importlib.util.find_spec("pip"):
        quiet = ("--no-compile", "--no-warn-script-location", "--disable-pip-version-check")
        platforms = (word for tag in MANYLINUX for word in ("--platform", f"{tag}_{machine}"))
        pip = (sys.executable, "-m", "pip", "install", *quiet)
        return (*pip, *wanted, "--implementation", "cp", *platforms)
    if uv := shutil.which("uv"):
        platform = ("--python-platform", f"{machine}-{MANYLINUX[0]}")
        return (uv, "pip", "install", "--python", sys.executable, *wanted, *platform)
    raise ToolMissing(
        "no pip to fetch what the sample service imports",
        hint=f"{sys.executable} -m ensurepip",
    )


def pins(requirements: Path) -> dict[str, str]:
    """Return the versions that a requirements file pins, by name, without extras."""
    lines = requirements.read_text().splitlines()
    pinned = (line.split()[0].partition("==") for line in lines if line[:1].isalnum())
    return {name.partition("[")[0]: version for name, _, version in pinned}
