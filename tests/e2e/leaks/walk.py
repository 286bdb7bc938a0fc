"""The files of a lab: its own, and those on the disks of its nodes."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

READ, PASS = 0o044, 0o011


@dataclass(frozen=True, slots=True)
class File:
    """A regular file; `open_to` are the read bits, 0o040 and 0o004, that serve somebody.

    They do if each directory above lets the same people pass, up to where the walk began.
    """

    path: Path
    open_to: int
    mode: int
    size: int
    written: float


@dataclass(frozen=True, slots=True)
class Disk:
    """A node's directories as `lab.machines.nspawn.Disk` has them, except the mounted root."""

    directory: Path

    @property
    def name(self) -> str:
        return self.directory.name

    @property
    def upper(self) -> Path:
        return self.directory / "upper"

    @property
    def trees(self) -> tuple[Path, ...]:
        """Return what holds a node's own files; containerd's are those of images."""
        return (self.upper, self.directory / "kubelet", self.directory / "rancher")

    @property
    def containerd(self) -> Path:
        return self.directory / "containerd"


def disks(lab: Path) -> list[Disk]:
    return [Disk(path) for path in sorted((lab / "nodes").glob("*")) if path.is_dir()]


def walk(top: Path, open_to: int = READ) -> Iterator[File]:
    """Yield the regular files below, without what vanishes meanwhile; no link is followed."""
    try:
        open_to &= (top.lstat().st_mode & PASS) << 2
        entries = list(os.scandir(top))
    except OSError:
        return
    for entry in entries:
        try:
            found = entry.stat(follow_symlinks=False)
        except OSError:
            continue
        if stat.S_ISDIR(found.st_mode):
            yield from walk(Path(entry.path), open_to)
        elif stat.S_ISREG(found.st_mode):
            yield _file(Path(entry.path), found, open_to)


def own_files(lab: Path) -> list[File]:
    """Return what lab itself keeps: all but what lies in directories of nodes' disks."""
    nodes = lab / "nodes"
    tops = [path for path in lab.glob("*") if path != nodes]
    singles = [*tops, *nodes.glob("*/*")]
    below = [each for top in tops if top.is_dir() for each in walk(top)]
    return below + [
        _file(path, found, READ)
        for path in singles
        for found in [_lstat(path)]
        if found and stat.S_ISREG(found.st_mode)
    ]


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""  # it is gone meanwhile


def _file(path: Path, found: os.stat_result, open_to: int) -> File:
    mode = stat.S_IMODE(found.st_mode)
    return File(path, mode & open_to, mode, found.st_size, found.st_mtime)


def _lstat(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except OSError:
        return None
