"""Host-wide kernel settings that the nodes need or change, and their way back.

The nodes share the host's kernel. Their kubelets set kernel.panic,
kernel.panic_on_oops and vm.overcommit_memory for all of it, and six systemds
need more inotify instances than the 128 that the kernel allows by default. The
values from before the first lab are kept in a register that all labs of the
host share, and are put back when the last lab goes. The register lies below
/run, so it ends with the boot it speaks of, as the values themselves do.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypedDict

REGISTER = Path("/run/lab/sysctls.json")

# What kubelets and the nodes' systemds write: recorded to be put back, not set by us.
# Some belong to a namespace on newer kernels and are then never seen to change.
CHANGED_BY_NODES = (
    "kernel.panic",
    "kernel.panic_on_oops",
    "vm.overcommit_memory",
    "vm.panic_on_oom",
    "fs.file-max",
    "fs.nr_open",
    "fs.protected_fifos",
    "fs.protected_hardlinks",
    "fs.protected_regular",
    "fs.protected_symlinks",
    "kernel.pid_max",
)

# What we raise, and to what; never lowered.
RAISED = {
    "fs.inotify.max_user_instances": 2048,
    "fs.inotify.max_user_watches": 524288,
    "kernel.keys.root_maxkeys": 1000000,
    "kernel.keys.root_maxbytes": 25000000,
    "kernel.keys.maxkeys": 2000,
}


class _State(TypedDict):
    labs: list[str]
    before: dict[str, str]


def hold(lab_id: str, *, register: Path = REGISTER, proc: Path = Path("/proc/sys")) -> None:
    """Record the host's values, once for all labs, then raise what is too low."""
    with _register(register) as state:
        for name in (*CHANGED_BY_NODES, *RAISED):
            value = _read(proc, name)
            if value is not None:
                state["before"].setdefault(name, value)
        state["labs"] = sorted({*state["labs"], lab_id})
    for name, wanted in RAISED.items():
        value = _read(proc, name)
        if value is not None and int(value) < wanted:
            _write(proc, name, str(wanted))


def release(lab_id: str, *, register: Path = REGISTER, proc: Path = Path("/proc/sys")) -> None:
    """Put the host's values back if no other lab needs them; does nothing if not held."""
    if not register.exists():
        return
    with _register(register) as state:
        state["labs"] = [other for other in state["labs"] if other != lab_id]
        if state["labs"]:
            return
        for name, value in state["before"].items():
            if _read(proc, name) != value:
                _write(proc, name, value)
        register.unlink()
    with suppress(OSError):
        register.parent.rmdir()


@contextmanager
def _register(path: Path) -> Iterator[_State]:
    """Read the register under a lock and write it back, unless it was removed."""
    lock = _lock_directory(path.parent)
    try:
        existed = path.exists()
        state: _State = {"labs": [], "before": {}}
        if existed:
            state = json.loads(path.read_text())
        yield state
        if path.exists() or not existed:
            temporary = path.with_suffix(".new")
            temporary.write_text(json.dumps(state))
            temporary.replace(path)
    finally:
        os.close(lock)


def _lock_directory(path: Path) -> int:
    while True:
        path.mkdir(mode=0o755, exist_ok=True)
        with suppress(FileNotFoundError):
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if os.fstat(lock).st_nlink:
                return lock
            # The last lab removed the directory while we waited for its lock.
            os.close(lock)


def _file(proc: Path, name: str) -> Path:
    return proc / name.replace(".", "/")


def _read(proc: Path, name: str) -> str | None:
    try:
        return _file(proc, name).read_text().strip()
    except FileNotFoundError:
        return None


def _write(proc: Path, name: str, value: str) -> None:
    _file(proc, name).write_text(value)
