"""Build the stand-in for k3s, and lay it out as a release for `--k3s-dir`."""

import hashlib
import subprocess
from pathlib import Path

from lab.artifacts.k3s_lock import (
    Lock,
    binary_file,
    checksums_file,
    images_file,
    parse_checksums,
)
from lab.artifacts.recipe import architecture
from lab.artifacts.toolchain import find_toolchain
from lab.paths import find_paths
from lab.progress import Silent

MODULE = Path(__file__).with_name("standin")
MINIMUM_GO = (1, 24, 0)
IMAGES = b"no image: the stand-in only says that it imports them\n"


def build(version: str, target: Path) -> None:
    """Build a static program that calls itself `version`."""
    go = find_toolchain(MINIMUM_GO, paths=find_paths(), progress=Silent())
    flags = f"-s -w -X main.version={version}"
    subprocess.run(
        [str(go.go), "build", "-trimpath", "-ldflags", flags, "-o", str(target), "."],
        cwd=MODULE,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(target.parent),
            "CGO_ENABLED": "0",
            "GOCACHE": str(find_paths().cache / "build/gocache"),
            "GOFLAGS": "-mod=mod",
            "GOTOOLCHAIN": "local",
        },
        check=True,
    )


def make_release(directory: Path, version: str) -> Path:
    """Write what a release of k3s consists of, with the stand-in as its program."""
    directory.mkdir(parents=True, exist_ok=True)
    arch = architecture()
    build(version, directory / binary_file(arch))
    (directory / images_file(arch)).write_bytes(IMAGES)
    lines = [
        f"{hashlib.sha256((directory / name).read_bytes()).hexdigest()}  {name}\n"
        for name in (binary_file(arch), images_file(arch))
    ]
    (directory / checksums_file(arch)).write_text("".join(lines))
    return directory


def lock_of(release: Path, version: str) -> Lock:
    """Return the lock that accepts this release and no other."""
    listed = (release / checksums_file(architecture())).read_text()
    return Lock(version, parse_checksums(listed))
