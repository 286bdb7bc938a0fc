"""Hold PostgreSQL, and shut it down when whoever started it is gone.

Started as `python tether.py UID GID LOCK COMMAND...` by `lab.postgres.server`, which keeps
the write end of its standard input: that pipe ends when the caller closes it or dies,
by whatever signal. Every server process is a session of its own, so a signal to the
process group would miss them. On Linux this program is their subreaper: it inherits what a
killed postmaster leaves, and ends only after the last of them; and should it be killed
itself, the postmaster gets the signal for an immediate shutdown.

LOCK, where it is not empty, is a file whose shared lock this program and the server hold: it
is free when the last of their processes is gone.
"""

import contextlib
import ctypes
import fcntl
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
# PostgreSQL's own: end all sessions and write a checkpoint; then, end at once.
SHUTDOWNS = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))


def main() -> int:
    caller = os.getppid()
    adopt_orphans()
    wake = wake_on_child()
    uid, gid, lock, *command = sys.argv[1:]
    inherited = (share(lock),) if lock else ()
    child = start(command, uid=int(uid), gid=int(gid), inherited=inherited)
    until(child, wake, sys.stdin.fileno())
    for number, grace_s in SHUTDOWNS:
        if child.poll() is not None:
            break
        child.send_signal(number)
        until(child, wake, within_s=grace_s)
    status = child.wait()
    wait_for_orphans()
    # A caller that died cannot remove the server's own short-lived directory.
    if os.getppid() != caller:
        shutil.rmtree(Path.cwd(), ignore_errors=True)
    return status if status >= 0 else 128 - status


def wake_on_child() -> int:
    """Return a descriptor that can be read whenever a child has ended."""
    receiver, sender = os.pipe()
    for descriptor in (receiver, sender):
        os.set_blocking(descriptor, False)
    signal.set_wakeup_fd(sender, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return receiver


def until(
    child: "subprocess.Popen[bytes]", wake: int, *others: int, within_s: float | None = None
) -> None:
    """Wait until the child has ended, one of the other descriptors can be read, or time is up."""
    deadline = None if within_s is None else time.monotonic() + within_s
    while child.poll() is None:
        left_s = None if deadline is None else max(0.0, deadline - time.monotonic())
        ready, _, _ = select.select([wake, *others], [], [], left_s)
        # Of orphans too, and those are many.
        if ready != [wake]:
            return
        with contextlib.suppress(BlockingIOError):
            os.read(wake, 4096)


def share(lock: str) -> int:
    descriptor = os.open(lock, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return descriptor


def start(
    command: list[str], *, uid: int, gid: int, inherited: tuple[int, ...]
) -> "subprocess.Popen[bytes]":
    """Start it as that user; the death signal is set after the change of user, which clears it."""
    user: dict[str, Any] = (
        {} if uid == os.geteuid() else {"user": uid, "group": gid, "extra_groups": []}
    )
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        process_group=0,
        pass_fds=inherited,
        preexec_fn=death_signal(),
        **user,
    )


def adopt_orphans() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def death_signal() -> Callable[[], None] | None:
    """Return what asks the kernel to end the server when this program is killed, where it can."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGQUIT, 0, 0, 0)


def wait_for_orphans() -> None:
    """They see that their postmaster is gone, and end by themselves."""
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


if __name__ == "__main__":
    sys.exit(main())
