"""Keep a database's files, so that the next twin need not make and fill one again.

    <directory>/<key>.tar   the files, and behind the archive its own SHA-256
                lock        held by whoever makes one

A key stands for all that went in. Nothing but a whole file has its name, so whoever is killed
leaves at most a temporary one, which the next removes; what is damaged is not used, and made
again. It is a cache: where it cannot be written everything works as well, only not as fast.
"""

import contextlib
import errno
import fcntl
import hashlib
import logging
import os
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lab.errors import LabError
from lab.files import give_to, make_dir, says_where_it_is_full
from lab.paths import Caller

log = logging.getLogger(__name__)

SUFFIX = ".tar"
TEMPORARY = ".partial-"
DIGEST_BYTES = hashlib.sha256().digest_size
CHUNK_BYTES = 1 << 20
# One that is in use, one of the version before, and one to spare.
KEPT = 3
LOCK_POLL_S = 0.1
# Of a server that has ended: what the next one would not use.
LEFT_OUT = frozenset({"postmaster.pid", "postmaster.opts"})


@dataclass(frozen=True, slots=True)
class DataCache:
    """The cache in `directory`; what is written there belongs to `caller`."""

    directory: Path
    caller: Caller

    def fetch(self, key: str, target: Path, *, owner: tuple[int, int] | None = None) -> bool:
        """Unpack what is kept under `key` into `target`, a new directory; False without it.

        Files belong to `owner`, by number, which root alone can give. Raises NoSpace.
        """
        with contextlib.ExitStack() as opened:
            try:
                file = opened.enter_context(self._path(key).open("rb"))
                if not self._is_usable(key, file):
                    return False
            except FileNotFoundError:
                return False
            except OSError as exc:
                log.warning("the start state that is kept cannot be used: %s", exc)
                return False
            with says_where_it_is_full(target):
                unpack(file, target, owner)
        return True

    def store(self, key: str, source: Path) -> bool:
        """Keep the files of `source`; False where they cannot be kept."""
        try:
            make_dir(self.directory, owner=self.caller)
            self._sweep()
            self._write(key, source)
        except (OSError, LabError) as exc:
            log.warning("the start state is not kept for the next time: %s", exc)
            return False
        return True

    @contextlib.contextmanager
    def building(self, *, within_s: float) -> Iterator[bool]:
        """Wait for others who make one; False when that took too long, or cannot be."""
        try:
            make_dir(self.directory, owner=self.caller)
            file = (self.directory / "lock").open("a")
            give_to(self.directory / "lock", self.caller)
        except (OSError, LabError) as exc:
            log.warning("the start state cannot be kept in %s: %s", self.directory, exc)
            yield False
            return
        with file:
            yield lock(file.fileno(), within_s)

    def _path(self, key: str) -> Path:
        return self.directory / f"{key}{SUFFIX}"

    def _is_usable(self, key: str, file: BinaryIO) -> bool:
        """Whether the file is whole; then it is marked as the last that was used."""
        path = self._path(key)
        if is_whole(file):
            os.utime(path)
            return True
        log.warning("%s is damaged and is made again", path)
        path.unlink(missing_ok=True)
        return False

    def _sweep(self) -> None:
        """Remove what was left half written, and the oldest of what is kept."""
        for path in self.directory.glob(f"{TEMPORARY}*"):
            path.unlink(missing_ok=True)
        kept = sorted(self.directory.glob(f"*{SUFFIX}"), key=lambda each: each.stat().st_mtime)
        for path in kept[: max(0, len(kept) - KEPT + 1)]:
            path.unlink(missing_ok=True)

    def _write(self, key: str, source: Path) -> None:
        descriptor, name = tempfile.mkstemp(dir=self.directory, prefix=TEMPORARY)
        temporary = Path(name)
        try:
            # Not forced to the disk: what a power failure takes is missed by the digest.
            with os.fdopen(descriptor, "w+b") as file:
                pack(source, file)
            give_to(temporary, self.caller)
            temporary.replace(self._path(key))
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def pack(source: Path, file: BinaryIO) -> None:
    with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as archive:
        archive.add(source, arcname=".", filter=without_leftovers)
    size = file.tell()
    file.seek(0)
    digest = digest_of(file, size)
    file.seek(size)
    file.write(digest)


def without_leftovers(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if Path(member.name).name in LEFT_OUT else member


def is_whole(file: BinaryIO) -> bool:
    """Whether the file's last bytes are the digest of all before them."""
    size = os.fstat(file.fileno()).st_size - DIGEST_BYTES
    return size > 0 and digest_of(file, size) == file.read()


def digest_of(file: BinaryIO, size: int) -> bytes:
    """Return the digest of the next `size` bytes, or of as many as there are."""
    digest = hashlib.sha256()
    while size > 0 and (part := file.read(min(CHUNK_BYTES, size))):
        digest.update(part)
        size -= len(part)
    return digest.digest()


def unpack(file: BinaryIO, target: Path, owner: tuple[int, int] | None) -> None:
    """Write the archive's files and directories; whoever owns them is alone to read them.

    By hand, since `tarfile` takes three times as long for what no database has: links,
    owners by name, times.
    """
    file.seek(0)
    with tarfile.open(fileobj=file) as archive:
        for member in archive:
            require_inside(member)
            path = target / member.name
            if member.isdir():
                path.mkdir(mode=0o700)
            else:
                file.seek(member.offset_data)
                write_new(path, file.read(member.size))
            if owner:
                os.chown(path, *owner)


def write_new(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def require_inside(member: tarfile.TarInfo) -> None:
    """Raise for what would lead out of the target, or is neither file nor directory."""
    path = Path(member.name)
    if path.is_absolute() or ".." in path.parts or not (member.isreg() or member.isdir()):
        raise tarfile.ExtractError(f"{member.name} does not belong into a database")


def lock(descriptor: int, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            if exc.errno not in (errno.EAGAIN, errno.EACCES) or time.monotonic() > deadline:
                return False
            time.sleep(LOCK_POLL_S)
        else:
            return True
