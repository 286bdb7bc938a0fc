"""Where does a twin keep its files, and what becomes of them when it is killed?

    <place>/lab-twin-<uid>/lock         held while a workplace is made or removed
                           <name>.lock  held, shared, as long as a process of that twin is left
                           <name>/      everything else of it

`<place>` is XDG_RUNTIME_DIR where that has room enough, else TMPDIR, else /tmp: never a cache
or a state directory, since nothing here outlives its twin.

A lock of the kernel's is a proof that no process id can be: it is held by whoever has the file
open, ends with the last of them, and no restart of the host leaves one behind. So `new`
removes what it can lock for itself alone, and nothing else.
"""

import contextlib
import fcntl
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.errors import HostUnfit, NoSpace
from lab.files import says_where_it_is_full
from lab.postgres.binaries import is_open_to_all
from lab.postgres.host import SOCKET_PATH_BYTES

LOCK = ".lock"
# PostgreSQL with its data twice, as much again for a migration that writes all of it anew,
# logs, and the streams of a run.
NEEDS_BYTES = 400_000_000
MEGABYTE = 1_000_000
# What comes below a place until a socket of PostgreSQL's.
LONGEST_BELOW = len("/lab-twin-4294967294/0123ab/lab-pg-12345678/.s.PGSQL.65535")
HINT = "set TMPDIR to another directory"


class Workplace:
    """The directory `path` of one twin, and `lock`, which its processes share.

    A context manager; what is left when it is closed, or was never closed, the next one removes.
    """

    def __init__(self, path: Path, lock: Path, descriptor: int) -> None:
        self.path = path
        self.lock = lock
        self._descriptor: int | None = descriptor

    @classmethod
    def new(
        cls, *, environ: Mapping[str, str] = os.environ, needs_bytes: int = NEEDS_BYTES
    ) -> Self:
        """Make one, after those are removed whose processes are gone.

        Raises NoSpace where no place has room enough, HostUnfit where none can be used.
        """
        base = choose(environ, needs_bytes)
        with exclusive(base):
            sweep(base)
            with says_where_it_is_full(base):
                return cls(*make(base))

    def close(self) -> bool:
        """Remove it; False when a process is left, and the next one is to remove it."""
        if self._descriptor is None:
            return True
        with exclusive(self.path.parent):
            os.close(self._descriptor)
            self._descriptor = None
            return remove(self.path.parent, self.path.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def directory(self, name: str) -> Path:
        """Return a directory of that name that the caller alone can enter."""
        path = self.path / name
        path.mkdir(mode=0o700, exist_ok=True)
        return path


def choose(environ: Mapping[str, str], needs_bytes: int) -> Path:
    """Return the first directory for workplaces that can be used."""
    problems: list[HostUnfit] = []
    for place in places(environ):
        try:
            require_fit(place, environ)
            require_room(place, needs_bytes)
            return prepare(place)
        except HostUnfit as exc:
            problems.append(exc)
    kind = NoSpace if all(isinstance(each, NoSpace) for each in problems) else HostUnfit
    raise kind("; ".join(each.message for each in problems), hint=HINT)


def places(environ: Mapping[str, str]) -> tuple[Path, ...]:
    named = (environ.get("XDG_RUNTIME_DIR", ""), environ.get("TMPDIR", ""))
    usual = (tempfile.gettempdir(), "/tmp")  # noqa: S108 - the directory made there is checked
    wanted = [text for text in named if text.startswith("/")]
    return tuple(dict.fromkeys(Path(text) for text in (*wanted, *usual)))


def require_fit(place: Path, environ: Mapping[str, str]) -> None:
    """Raise HostUnfit unless files of a twin may lie there."""
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        raise HostUnfit(f"{place} cannot be written to")
    if str(place) == environ.get("XDG_RUNTIME_DIR") and place.stat().st_uid != os.geteuid():
        raise HostUnfit(f"{place} belongs to somebody else")
    if len(os.fsencode(place)) + LONGEST_BELOW > SOCKET_PATH_BYTES:
        raise HostUnfit(f"{place} is too long for the path of a socket")
    if "," in str(place):
        raise HostUnfit(f"{place} has a comma, which is two directories to PostgreSQL")
    if os.geteuid() == 0 and not is_open_to_all(place.resolve()):
        # Root may not run PostgreSQL, so somebody else must get there.
        raise HostUnfit(f"{place} is closed to other users than root")


def require_room(place: Path, needs_bytes: int) -> None:
    free = shutil.disk_usage(place).free
    if free < needs_bytes:
        raise NoSpace(
            f"{place} has {free // MEGABYTE} MB left, and a twin needs "
            f"{-(-needs_bytes // MEGABYTE)} MB"
        )


def prepare(place: Path) -> Path:
    """Make the directory for all workplaces of this user; raises HostUnfit if it is another's."""
    base = place / f"lab-twin-{os.geteuid()}"
    with contextlib.suppress(FileExistsError):
        base.mkdir(mode=mode())
    found = base.lstat()
    is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    if not is_ours or found.st_mode & 0o022:
        raise HostUnfit(f"{base} is not a directory that you alone can write to")
    return base


def mode() -> int:
    """Return who may enter: the caller, and for root the one who runs PostgreSQL in its place."""
    return 0o711 if os.geteuid() == 0 else 0o700


@contextlib.contextmanager
def exclusive(base: Path) -> Iterator[None]:
    with (base / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def make(base: Path) -> tuple[Path, Path, int]:
    """Return a new directory, its lock, and the descriptor that holds it."""
    name = next(name for name in iter(lambda: secrets.token_hex(3), "") if is_free(base, name))
    lock = base / f"{name}{LOCK}"
    # Before the directory, so that there never is one without.
    descriptor = os.open(lock, os.O_RDONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        (base / name).mkdir(mode=mode())
    except BaseException:
        os.close(descriptor)
        remove(base, name)
        raise
    return base / name, lock, descriptor


def is_free(base: Path, name: str) -> bool:
    return not (base / name).exists() and not (base / f"{name}{LOCK}").exists()


def sweep(base: Path) -> None:
    """Remove what twins left that were killed."""
    for lock in base.glob(f"*{LOCK}"):
        # What cannot be removed now must not keep a new twin from its work.
        with contextlib.suppress(OSError):
            remove(base, lock.name.removesuffix(LOCK))


def remove(base: Path, name: str) -> bool:
    """Remove a workplace, unless one of its processes is left; tell whether it is gone."""
    lock = base / f"{name}{LOCK}"
    try:
        descriptor = os.open(lock, os.O_RDONLY)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if (base / name).exists():
            shutil.rmtree(base / name)
        lock.unlink()
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
