"""Build the stand-in for k3s, and lay it out as a release for `--k3s-dir`.

What was built is kept in `~/.cache/lab/tests`, by the hash of its sources and the version it
says it has.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lab.artifacts import layout
from lab.artifacts.k3s_lock import (
    Lock,
    binary_file,
    checksums_file,
    images_file,
    parse_checksums,
)
from lab.artifacts.recipe import architecture
from lab.artifacts.toolchain import find_toolchain, host_candidates, pinned_name
from lab.files import give_to, make_dir
from lab.paths import find_paths
from lab.progress import Silent

MODULE = Path(__file__).with_name("standin")
MINIMUM_GO = (1, 24, 0)
IMAGES = "no image of {version}: the stand-in only says that it imports them\n"


def build_standin(version: str) -> Path:
    """Return a static program that calls itself `version`, built if it is not in the cache."""
    paths = find_paths()
    place = make_dir(paths.cache / "tests", owner=paths.caller) / f"k3s-standin-{_key()}"
    program = make_dir(place, owner=paths.caller) / version
    if not program.exists():
        with tempfile.TemporaryDirectory(dir=place, prefix=".") as partial:
            _compile(version, Path(partial, "k3s"))
            give_to(Path(partial, "k3s"), paths.caller)
            Path(partial, "k3s").replace(program)
    return program


def build(version: str, target: Path) -> None:
    """Put the program of that version at `target`."""
    shutil.copy2(build_standin(version), target)


def go_is_here() -> bool:
    """Whether there is a Go without fetching one."""
    fetched = layout.build_caches(find_paths()) / pinned_name() / "go/bin/go"
    return any(host_candidates()) or fetched.exists()


def make_release(directory: Path, version: str) -> Path:
    """Write what a release of k3s consists of, with the stand-in as its program."""
    directory.mkdir(parents=True, exist_ok=True)
    arch = architecture()
    build(version, directory / binary_file(arch))
    (directory / images_file(arch)).write_text(IMAGES.format(version=version))
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


def _key() -> str:
    whole = hashlib.sha256()
    for file in _sources():
        whole.update(f"{file.name}\0".encode() + file.read_bytes())
    return whole.hexdigest()[:12]


def _sources() -> Iterator[Path]:
    yield MODULE / "go.mod"
    yield from sorted(MODULE.glob("*.go"))


def _compile(version: str, target: Path) -> None:
    paths = find_paths()
    go = find_toolchain(MINIMUM_GO, paths=paths, progress=Silent())
    flags = f"-s -w -X main.version={version}"
    subprocess.run(
        [str(go.go), "build", "-trimpath", "-ldflags", flags, "-o", str(target), "."],
        cwd=MODULE,
        env={
            "PATH": os.defpath,
            "HOME": str(target.parent),
            "CGO_ENABLED": "0",
            "GOCACHE": str(paths.cache / "build/gocache"),
            "GOFLAGS": "-mod=mod",
            "GOTOOLCHAIN": "local",
        },
        check=True,
    )
