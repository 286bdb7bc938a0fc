"""Hold a program and all it starts, and end them when lab is gone.

Started as `python tether.py UID GID COMMAND...` by `lab.artifacts.process`, which
keeps the write end of its standard input. That pipe ends when lab closes it or
dies, by whatever signal; a process of its own sees both, which a death signal
would not: it reaches the program but none of the compilers the program started.
"""

import contextlib
import os
import pwd
import select
import signal
import subprocess
import sys

GRACE_S = 5.0


def main() -> int:
    uid, gid, *command = sys.argv[1:]
    # What is built must not depend on the umask of who happens to build it.
    os.umask(0o022)
    child = start(command, uid=int(uid), gid=int(gid))
    ended = os.pidfd_open(child.pid)
    ready, _, _ = select.select([sys.stdin.fileno(), ended], [], [])
    if ended not in ready:
        signal_group(child.pid, signal.SIGTERM)
        select.select([ended], [], [], GRACE_S)
    signal_group(child.pid, signal.SIGKILL)
    status = child.wait()
    return status if status >= 0 else 128 - status


def start(command: list[str], *, uid: int, gid: int) -> subprocess.Popen[bytes]:
    """Start it in a process group of its own, as this user with all their groups."""
    if uid == os.geteuid():
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)
    groups = os.getgrouplist(pwd.getpwuid(uid).pw_name, gid)
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        process_group=0,
        user=uid,
        group=gid,
        extra_groups=groups,
    )


def signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


if __name__ == "__main__":
    sys.exit(main())
