"""What is in a whole system, folder by folder, fast enough to look before every start?

Some seven thousand entries: so text and `lstat`, no path objects.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.errors import NotRoot

FOLDER_DEPTH = 2


@dataclass(frozen=True, slots=True)
class Entry:
    path: str
    """Relative to the tree; `.` for the tree itself."""
    text: str
    """What a change would change: kind, mode, owner, size, time, target."""
    size: int | None
    """None for what is no regular file."""


def entries_by_folder(tree: Path) -> dict[str, list[Entry]]:
    """Return every entry by the first two parts of its path, in an order that does not change."""
    grouped: dict[str, list[Entry]] = {".": [describe_entry(str(tree), ".")]}
    for entry in walk(str(tree), ""):
        folder = "/".join(entry.path.split("/", FOLDER_DEPTH)[:FOLDER_DEPTH])
        grouped.setdefault(folder, []).append(entry)
    return grouped


def walk(directory: str, prefix: str) -> Iterator[Entry]:
    try:
        with os.scandir(directory) as found:
            names = sorted(entry.name for entry in found)
    except PermissionError as exc:
        raise NotRoot(f"{directory} is for root to read", hint="run the same with sudo") from exc
    for name in names:
        path = f"{directory}/{name}"
        entry = describe_entry(path, prefix + name)
        yield entry
        if entry.text.startswith("d"):
            yield from walk(path, f"{prefix}{name}/")


def describe_entry(path: str, relative: str) -> Entry:
    found = os.lstat(path)
    owner = f"{found.st_mode:o} {found.st_uid}:{found.st_gid}"
    if stat.S_ISREG(found.st_mode):
        text = f"f {owner} {found.st_size} {int(found.st_mtime)}"
        return Entry(relative, f"{text} {relative}", found.st_size)
    if stat.S_ISLNK(found.st_mode):
        return Entry(relative, f"l {owner} {relative} -> {Path(path).readlink()}", None)
    kind = "d" if stat.S_ISDIR(found.st_mode) else f"o {found.st_rdev}"
    return Entry(relative, f"{kind} {owner} {relative}", None)
