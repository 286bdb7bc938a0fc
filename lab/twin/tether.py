"""Hold a command, and end it when whoever started it is gone.

`tethered` returns the command that runs this file as a program of its own: it watches its
parent, and when that is gone, by whatever signal, it sends SIGTERM to what it holds, and after
a grace SIGKILL to all of it. Standard input, output and error are the command's own; signals
are passed on, and it ends as the command ended. Where a kernel can do it (Linux), the command
is killed when this program itself is killed.

Each tether leads a process group of its own, so Ctrl-C on the terminal reaches the parent
alone, which then ends things in order. `send_signal` reaches the command behind a tether with
those signals too that no program can pass on.

Whoever has a lock file given (`alive`) can tell from the lock whether any process is left: the
command inherits it open, and the kernel drops the lock with the last of them.
"""

import contextlib
import fcntl
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

GRACE_S = 5.0
LOOK_EVERY_S = 0.2
PASSED_ON = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
# Neither can be caught, so the whole group gets them, and what undoes the second with them.
OF_THE_GROUP = (signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT)
PR_SET_PDEATHSIG = 1
# As a shell has it, for a command that is not there and for one that may not be run.
NOT_FOUND, NOT_EXECUTABLE = 127, 126
EXIT_ORPHAN = 125


def tethered(
    argv: Sequence[str],
    *,
    grace_s: float = GRACE_S,
    nice: int = 0,
    alive: Path | None = None,
) -> list[str]:
    """Return the command that runs `argv` below a tether to the calling process.

    To be started by this process and no other. `nice` is added to the priority's value, as far
    as the host permits. A process of `alive`, a file, is left as long as its lock is held.
    """
    options = [str(os.getpid()), f"{grace_s:g}", str(nice), str(alive or "")]
    return [sys.executable, "-I", "-S", str(Path(__file__).resolve()), *options, *argv]


def send_signal(pid: int, number: int) -> None:
    """Send a signal to the command behind the tether `pid`; nothing happens when it has ended."""
    with contextlib.suppress(ProcessLookupError):
        if number in OF_THE_GROUP and os.getpgid(pid) == pid:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)


def main(arguments: Sequence[str]) -> int:
    parent, grace_s, nice, alive, *command = arguments
    stand_alone(int(nice))
    signals = Signals()
    watch = ParentWatch(int(parent))
    lock = share(Path(alive)) if alive else ()
    if watch.is_over() or lock is None:
        return EXIT_ORPHAN
    try:
        child = start(command, inherited=lock)
    except OSError as exc:
        sys.stderr.write(f"{command[0]} cannot be started: {exc.strerror}\n")
        return NOT_FOUND if isinstance(exc, FileNotFoundError) else NOT_EXECUTABLE
    if not follow(child, signals, watch):
        end(child, signals, float(grace_s))
    return end_as(child.wait())


def stand_alone(nice: int) -> None:
    """Lead a process group, and a session too unless the parent is to come before.

    Linux weighs sessions against each other and niceness within each alone (sched(7), "The
    autogroup feature"): only in the parent's own session is a process nicer than the parent.
    """
    with contextlib.suppress(PermissionError):  # the leader of a group already
        if nice > 0:
            os.setpgid(0, 0)
        else:
            os.setsid()
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0) + nice)


class ParentWatch:
    """Tells when the parent is gone: at once where the kernel has a descriptor for that."""

    def __init__(self, parent: int) -> None:
        self._parent = parent
        self.descriptors: tuple[int, ...] = ()
        if hasattr(os, "pidfd_open"):
            with contextlib.suppress(OSError):
                self.descriptors = (os.pidfd_open(parent),)

    @property
    def look_again_s(self) -> float | None:
        return None if self.descriptors else LOOK_EVERY_S

    def is_over(self) -> bool:
        """Whether somebody else is our parent now: whose parent dies is given to another."""
        ended = select.select(self.descriptors, [], [], 0)[0] if self.descriptors else []
        return bool(ended) or os.getppid() != self._parent


class Signals:
    """Collects signals, for `select` to see; the end of a child is one of them."""

    def __init__(self) -> None:
        self._receiver, self._sender = socket.socketpair()
        self._receiver.setblocking(False)
        self._sender.setblocking(False)
        signal.set_wakeup_fd(self._sender.fileno())
        for number in (signal.SIGCHLD, *PASSED_ON):
            signal.signal(number, lambda *_: None)

    def fileno(self) -> int:
        return self._receiver.fileno()

    def take(self) -> bytes:
        """Return the numbers of those that came, in their order."""
        with contextlib.suppress(BlockingIOError):
            return self._receiver.recv(4096)
        return b""


def share(lock: Path) -> tuple[int, ...] | None:
    """Return the lock file held, to be inherited; None when it is being removed."""
    try:
        descriptor = os.open(lock, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return None
    return (descriptor,)


def start(command: Sequence[str], *, inherited: Sequence[int]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(command, pass_fds=inherited, preexec_fn=death_signal())


def death_signal() -> Callable[[], None] | None:
    """Return what a child does before its exec so that it is killed when this process is."""
    if sys.platform != "linux":
        return None
    # Only here, since other systems need not wait for the import.
    import ctypes

    libc, tether = ctypes.CDLL(None), os.getpid()

    def ask() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != tether:
            os.kill(os.getpid(), signal.SIGKILL)

    return ask


def follow(child: "subprocess.Popen[bytes]", signals: Signals, watch: ParentWatch) -> bool:
    """Pass signals on until the child has ended; False when the parent was gone before that."""
    while child.poll() is None:
        if watch.is_over():
            return False
        select.select([signals.fileno(), *watch.descriptors], [], [], watch.look_again_s)
        for number in signals.take():
            if number in PASSED_ON:
                child.send_signal(number)
    return True


def end(child: "subprocess.Popen[bytes]", signals: Signals, grace_s: float) -> None:
    """Ask the child to end, and kill what is left of the group, this process with it."""
    child.send_signal(signal.SIGTERM)
    # One that is stopped would not hear it.
    child.send_signal(signal.SIGCONT)
    deadline = time.monotonic() + grace_s
    while child.poll() is None and (left_s := deadline - time.monotonic()) > 0:
        select.select([signals], [], [], left_s)
        signals.take()
    os.killpg(0, signal.SIGKILL)


def end_as(status: int) -> int:
    """Return the exit status of a command, or end by the signal that ended it."""
    if status >= 0:
        return status
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if -status != signal.SIGKILL:
        signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
    return 128 - status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
