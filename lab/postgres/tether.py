"""Hold PostgreSQL, and shut it down when whoever started it is gone.

Started as `python tether.py UID GID COMMAND...` by `lab.postgres.server`, which keeps
the write end of its standard input: that pipe ends when the caller closes it or dies,
by whatever signal. Every server process is a session of its own, so a signal to the
process group would miss them; as their subreaper this program inherits what a killed
postmaster leaves, and ends only after the last of them.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys

PR_SET_CHILD_SUBREAPER = 36
# PostgreSQL's own: end all sessions and write a checkpoint; then, end at once.
SHUTDOWNS = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))


def main() -> int:
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
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
    return status if status >= 0 else 128 - status


def start(command: list[str], *, uid: int, gid: int) -> subprocess.Popen[bytes]:
    if uid == os.geteuid():
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, process_group=0, user=uid, group=gid, extra_groups=[]
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
