"""Write files so that a crash leaves the old one or the new one, owned by the calling user."""

import json
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.errors import HostUnfit, InvalidValue, NoSpace
from lab.paths import Caller

ENOSPC, EDQUOT = 28, 122


def make_dir(path: Path, *, owner: Caller, mode: int = 0o755) -> Path:
    """Create `path` and its parents; what is created belongs to `owner`.

    Raises HostUnfit where no directory can be made, NoSpace on a full disk.
    """
    missing = [p for p in (path, *path.parents) if not p.exists()]
    with says_where_it_is_full(path):
        for directory in reversed(missing):
            try:
                directory.mkdir(mode=mode if directory == path else 0o755, exist_ok=True)
            except (FileNotFoundError, FileExistsError) as exc:
                # Its parent is there: a file system without directories to make, or a dead link.
                raise HostUnfit(
                    f"directory {directory} cannot be made: {exc.strerror}",
                    hint=f"ls -ld {directory.parent} {directory}",
                ) from exc
            give_to(directory, owner)
    return path


def write_atomic(path: Path, content: bytes | str, *, owner: Caller, mode: int = 0o600) -> None:
    """Replace `path` in one step; the content is on disk before the name points at it."""
    data = content.encode() if isinstance(content, str) else content
    with says_where_it_is_full(path):
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(file.fileno(), mode)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            give_to(Path(temporary), owner)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        sync_directory(path.parent)


def require_target(file: Path, *, hint: str) -> None:
    """Raise unless a file can be put there: before anything is made for it, and not after.

    A device or a link in its place is refused: what is written would replace it.
    """
    directory = file.absolute().parent
    if not directory.is_dir():
        raise InvalidValue(f"there is no directory {directory}", hint=f"mkdir -p {directory}")
    if not os.access(directory, os.W_OK):
        raise HostUnfit(f"{directory} cannot be written to", hint=f"ls -ld {directory}")
    if os.path.lexists(file) and not stat.S_ISREG(file.lstat().st_mode):
        raise InvalidValue(f"{file} is there and no regular file", hint=hint)


def write_json(path: Path, value: Any, *, owner: Caller, mode: int = 0o600) -> None:
    write_atomic(path, json.dumps(value, indent=2, sort_keys=True) + "\n", owner=owner, mode=mode)


def give_to(path: Path, owner: Caller) -> None:
    if os.geteuid() == 0 and owner.uid != 0:
        os.chown(path, owner.uid, owner.gid, follow_symlinks=False)


def sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def says_where_it_is_full(path: Path) -> Iterator[None]:
    """Turn "no space left on device" into an error that names the place."""
    try:
        yield
    except OSError as exc:
        if exc.errno in (ENOSPC, EDQUOT):
            raise NoSpace(f"no space left for {path}", hint="lab artifacts prune") from exc
        raise
