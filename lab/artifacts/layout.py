"""Where do artifacts lie in the cache, and how do they leave it?

artifacts/<name>-<key>/   tree/ and manifest.json: complete, or not there
partial/                  what is being built or imported; worthless without its builder
build/                    module and compiler caches, a fetched toolchain
builder.lock              held by whoever changes any of these
"""

import os
import shutil
from pathlib import Path

from lab.artifacts.recipe import KEY_LENGTH, Artifact
from lab.errors import ArtifactError, NotRoot
from lab.paths import Paths

MANIFEST = "manifest.json"


def artifacts(paths: Paths) -> Path:
    return paths.cache / "artifacts"


def partials(paths: Paths) -> Path:
    return paths.cache / "partial"


def build_caches(paths: Paths) -> Path:
    return paths.cache / "build"


def builder_lock(paths: Paths) -> Path:
    return paths.cache / "builder.lock"


def place(name: str, key: str, *, paths: Paths) -> Artifact:
    return Artifact(name, key, artifacts(paths) / f"{name}-{key}")


def is_present(artifact: Artifact) -> bool:
    return (artifact.path / MANIFEST).is_file()


def present(paths: Paths) -> tuple[Artifact, ...]:
    """Return what is in the cache, complete, by name."""
    directory = artifacts(paths)
    names = sorted(entry.name for entry in directory.iterdir()) if directory.is_dir() else []
    found = (place(*split, paths=paths) for split in map(split_name, names) if split)
    return tuple(artifact for artifact in found if is_present(artifact))


def split_name(directory: str) -> tuple[str, str] | None:
    name, _, key = directory.rpartition("-")
    return (name, key) if name and len(key) == KEY_LENGTH else None


def remove_tree(path: Path) -> int:
    """Remove `path` and all below it; return the bytes that frees. Absent is fine."""
    if not os.path.lexists(path):
        return 0
    refuse_mounted(path)
    freed = disk_use(path)
    try:
        shutil.rmtree(path)
    except PermissionError as exc:
        raise NotRoot(f"{exc.filename} belongs to root", hint="run the same with sudo") from exc
    return freed


def refuse_mounted(path: Path) -> None:
    """Raise if something is mounted at or below `path`: it must not be emptied with it."""
    for mount in mounts_below(path, Path("/proc/self/mountinfo").read_text()):
        raise ArtifactError(f"{mount} is still mounted, so {path} stays", hint=f"umount {mount}")


def mounts_below(path: Path, mountinfo: str) -> list[str]:
    points = [line.split()[4].replace("\\040", " ") for line in mountinfo.splitlines()]
    return [point for point in points if Path(point).is_relative_to(path)]


def disk_use(path: Path) -> int:
    """Return the bytes on disk at and below `path`; what may not be read counts as nothing."""
    total = path.lstat().st_blocks
    for directory, folders, files in os.walk(path):
        for name in (*folders, *files):
            total += Path(directory, name).lstat().st_blocks
    return total * 512
