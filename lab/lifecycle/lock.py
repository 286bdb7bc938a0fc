"""One command at a time may change a lab."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from lab.errors import LabBusy
from lab.files import give_to, make_dir
from lab.paths import Paths


@contextmanager
def exclusive(paths: Paths, name: str) -> Iterator[None]:
    """Hold the lab's lock, or raise LabBusy with the pid that holds it.

    The kernel releases the lock with the process, however it ends. The file lies
    beside the lab's directory, which `lab down` removes while it holds the lock.
    """
    file = paths.data / f".{name}.lock"
    while True:
        make_dir(paths.data, owner=paths.caller, mode=0o700)
        try:
            # Never through a link: root empties the file, and its directory is the user's.
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except FileNotFoundError:
            continue  # another command has ended since, and left no lab
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            holder = os.pread(descriptor, 32, 0).decode().strip() or "unknown"
            os.close(descriptor)
            raise LabBusy(
                f"another lab command changes lab {name!r} now (pid {holder})",
                hint=f"ps -p {holder}; try again when it has ended",
            ) from exc
        # Whoever held the lock before may have removed the file we opened.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), file.lstat()):
                break
        os.close(descriptor)
    give_to(file, paths.caller)
    try:
        os.ftruncate(descriptor, 0)
        # It only tells others whom they wait for: on a full disk a lab can still be removed.
        with suppress(OSError):
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        file.unlink(missing_ok=True)
        os.close(descriptor)
        # Where there is no lab, nothing stays of a command that was refused.
        with suppress(OSError):
            paths.data.rmdir()
