"""Hold PostgreSQL, and shut it down when whoever started it is gone.

Started as `python tether.py UID GID COMMAND...` by `lab.postgres.server`, which keeps
the write end of its standard input: that pipe ends when the caller closes it or dies,
by whatever signal. Every server process is a session of its own, so a signal to the
process group would miss them; as their subreaper this program inherits what a killed
postmaster leaves, and ends only after the last of them. Should it be killed itself, the
postmaster gets the signal for an immediate shutdown.
"""

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

libc = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
# PostgreSQL's own: end all sessions and write a checkpoint; then, end at once.
SHUTDOWNS = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))


def main() -> int:
    caller = os.getppid()
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    uid, gid, *command = sys.argv[1:]
    child = start(command, uid=int(uid), gid=int(gid))
    ended = os.pidfd_open(child.pid)
    ready, _, _ = select.select([sys.stdin.fileno(), ended], [], [])
    for number, grace_s in SHUTDOWNS:
        if ended in ready:
            break
        child.send_signal(number)
        ready, _, _ = select.select([ended], [], [], grace_s)
    status = child.wait()
    wait_for_orphans()
    # A caller that died cannot remove the server's own short-lived directory.
    if os.getppid() != caller:
        shutil.rmtree(Path.cwd(), ignore_errors=True)
    return status if status >= 0 else 128 - status


def start(command: list[str], *, uid: int, gid: int) -> subprocess.Popen[bytes]:
    """Start it as that user; the death signal is set after the change of user, which clears it."""
    user: dict[str, Any] = (
        {} if uid == os.geteuid() else {"user": uid, "group": gid, "extra_groups": []}
    )
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        process_group=0,
        preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGQUIT, 0, 0, 0),
        **user,
    )


def wait_for_orphans() -> None:
    """They see that their postmaster is gone, and end by themselves."""
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


if __name__ == "__main__":
    sys.exit(main())
