"""What does this host let a server have: a user, a port, a path for its socket, variables?"""

import os
import pwd
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from lab.errors import HostUnfit

UNPRIVILEGED = "nobody"
# Of sun_path in unix(4), without the byte that ends it.
SOCKET_PATH_BYTES = 103 if sys.platform == "darwin" else 107
LOOPBACK = "127.0.0.1"


def require_short(sockets: Path) -> None:
    """Raise HostUnfit where the path of a socket would be too long for the kernel."""
    longest = len(os.fsencode(sockets / ".s.PGSQL.65535"))
    if longest > SOCKET_PATH_BYTES:
        raise HostUnfit(
            f"{sockets} is too long for a socket: {longest} bytes of {SOCKET_PATH_BYTES}",
            hint="set TMPDIR to a shorter directory",
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return lab's own variables without those that would set up libpq or the server."""
    kept = {name: value for name, value in environ.items() if not name.startswith("PG")}
    return {**kept, "LC_ALL": "C"}


def server_user() -> tuple[int, int]:
    """Return user and group who run PostgreSQL: the caller's own, but never root's."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    entry = pwd.getpwnam(UNPRIVILEGED)
    return entry.pw_uid, entry.pw_gid
