"""Which files does a lab's work leave: accounts, settings, machines, temporary files?"""

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lab.residue.fingerprint import Facts
from lab.residue.network import THERE

TEMPORARY = ("lab-", ".lab-", "pyinfra-", "mmdebstrap.", "nspawn-", "go-build")

_MACHINES = ("machines", "nspawn/propagate", "nspawn/locks", "nspawn/unix-export")


def read_users(file: Path = Path("/etc/passwd")) -> Facts:
    return parse_accounts(file.read_text(errors="replace"))


def read_groups(file: Path = Path("/etc/group")) -> Facts:
    return parse_accounts(file.read_text(errors="replace"))


def parse_accounts(text: str) -> Facts:
    """Return name → id for the lines of passwd or group."""
    lines = [line.split(":") for line in text.splitlines()]
    return {fields[0]: f"id {fields[2]}" for fields in lines if len(fields) > 2}


def read_etc(root: Path = Path("/etc")) -> Facts:
    """Return path → what tells that a file was changed, without reading it."""
    return {entry.path: _look(entry) for entry in _walk(str(root))}


def _walk(directory: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as scan:
            entries = list(scan)
    except (FileNotFoundError, PermissionError):
        return  # gone meanwhile, or for root only: its own entry was listed
    for entry in entries:
        yield entry
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path)


def _look(entry: os.DirEntry[str]) -> str:
    try:
        if entry.is_symlink():
            return f"link to {Path(entry.path).readlink()}"
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return "gone while it was looked at"
    access = f"{stat.filemode(status.st_mode)} {status.st_uid}:{status.st_gid}"
    if stat.S_ISDIR(status.st_mode):
        # Its time changes with every file in it, and those are listed themselves.
        return access
    return f"{access} {status.st_size} bytes, changed {status.st_mtime_ns}"


def read_machines(run: Path = Path("/run/systemd")) -> Facts:
    """Return what machined and nspawn know of machines."""
    return {
        f"{folder}/{entry.name}": THERE for folder in _MACHINES for entry in _entries(run / folder)
    }


def read_images(directory: Path = Path("/var/lib/machines")) -> Facts:
    return {entry.name: THERE for entry in _entries(directory)}


def read_temporary(shared: Path = Path("/run/lab")) -> Facts:
    """Return temporary files by their names, and all of what labs share below /run."""
    directories = {Path("/tmp"), Path("/var/tmp"), Path(tempfile.gettempdir())}  # noqa: S108
    found = [
        entry
        for directory in directories
        for entry in _entries(directory)
        if entry.name.startswith(TEMPORARY)
    ]
    return {str(entry): THERE for entry in (*found, *_entries(shared))}


def _entries(directory: Path) -> list[Path]:
    return list(directory.iterdir()) if directory.is_dir() else []
