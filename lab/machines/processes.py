"""Find a process again that was started earlier, and end it.

A pid alone is not an identity: the kernel hands it out again. A process is the same one
when its pid, its start time and the boot agree, so after a reboot nothing recorded is
trusted. Whoever acts on a process opens a pidfd first and compares the start time after
that: from there on the pidfd can only mean the process that was compared.
"""

import contextlib
import errno
import os
import select
import signal
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from lab.errors import MachineError

PROC = Path("/proc")
KILL_BOUND_S = 10.0


@dataclass(frozen=True, slots=True)
class ProcessId:
    """`started` is in clock ticks since the boot that `boot_id` names."""

    pid: int
    started: int
    boot_id: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        return cls(int(value["pid"]), int(value["started"]), str(value["boot_id"]))


def current_boot_id() -> str:
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()


def identify(pid: int) -> ProcessId:
    """Raises ProcessLookupError when there is no such process."""
    try:
        stat = (PROC / str(pid) / "stat").read_text(errors="replace")
    except FileNotFoundError as exc:
        raise ProcessLookupError(errno.ESRCH, f"no process {pid}") from exc
    return ProcessId(pid, parse_start_time(stat), current_boot_id())


def parse_start_time(stat: str) -> int:
    """Return field 22 of /proc/PID/stat; field 2, the name, may hold spaces and parentheses."""
    after_name = stat.rpartition(")")[2].split()
    return int(after_name[22 - 3])


def is_alive(process: ProcessId) -> bool:
    """A zombie is not alive: it has ended, and only waits for its parent to notice."""
    return not wait_gone(process, timeout_s=0)


def wait_gone(process: ProcessId, *, timeout_s: float) -> bool:
    """Return whether `process` has ended within `timeout_s` seconds."""
    with _pidfd_of(process) as pidfd:
        if pidfd is None:
            return True
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        return bool(poll.poll(timeout_s * 1000))


def send(process: ProcessId, signum: int) -> None:
    """Send a signal; does nothing when the process is gone, also if its pid is in use again."""
    with _pidfd_of(process) as pidfd, contextlib.suppress(ProcessLookupError):
        if pidfd is not None:
            signal.pidfd_send_signal(pidfd, signum)


def terminate(process: ProcessId, *, grace_s: float) -> None:
    """Ask `process` to end, and kill it when it has not after `grace_s` seconds."""
    send(process, signal.SIGTERM)
    if wait_gone(process, timeout_s=grace_s):
        return
    send(process, signal.SIGKILL)
    if not wait_gone(process, timeout_s=KILL_BOUND_S):
        raise MachineError(f"process {process.pid} did not end {KILL_BOUND_S:g} s after SIGKILL")


def children(pid: int) -> list[int]:
    """Return the pids of the direct children; none when there is no such process."""
    found: list[int] = []
    # Every thread has a list of its own: the children that this thread forked.
    for path in (PROC / str(pid) / "task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found += map(int, path.read_text().split())
    return sorted(found)


def find_by_argument(argument: str) -> list[ProcessId]:
    """Return every other process that has exactly `argument` as one element of its argv.

    `argument` must be one that no other program has by chance: `--label=lab-3f2a`, not `lab`.
    """
    wanted = os.fsencode(argument)
    found: list[ProcessId] = []
    for path in PROC.glob("[0-9]*/cmdline"):
        pid = int(path.parent.name)
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if pid != os.getpid() and wanted in path.read_bytes().split(b"\0")[:-1]:
                found.append(identify(pid))
    return sorted(found, key=lambda process: process.pid)


@contextlib.contextmanager
def _pidfd_of(process: ProcessId) -> Iterator[int | None]:
    """Hold a descriptor of `process`, or None when it is gone."""
    try:
        pidfd = os.pidfd_open(process.pid)
    except OSError as exc:
        # Besides "no such process": the pid is now the id of another process's thread.
        if exc.errno not in (errno.ESRCH, errno.EINVAL, errno.ENOENT):
            raise
        yield None
        return
    try:
        yield pidfd if _is_same(process) else None
    finally:
        os.close(pidfd)


def _is_same(process: ProcessId) -> bool:
    try:
        return identify(process.pid) == process
    except ProcessLookupError:
        return False
