"""Where the files of one virtual machine lie, and how they vanish even if nobody cleans up.

A lock tells that a machine is alive. It is released by the kernel when its tester dies,
and the next machine sweeps what lies there without a holder.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "machine-"


@contextmanager
def workplace(parent: Path) -> Iterator[Path]:
    """Yield a directory of mode 0700 that is gone afterwards."""
    sweep(parent)
    directory = Path(tempfile.mkdtemp(dir=parent, prefix=PREFIX))
    holder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(holder, fcntl.LOCK_EX)
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(holder)


def sweep(parent: Path) -> None:
    for left in parent.glob(f"{PREFIX}*/"):
        try:
            holder = os.open(left, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left, ignore_errors=True)
        except BlockingIOError:
            continue
        finally:
            os.close(holder)
