"""A network namespace without a way out, and how to act inside it.

Programs are started in it with nsenter and never with `ip netns exec`, which also makes a
mount namespace with a fresh /sys: the cgroup hierarchies are gone from there. Sockets
need no program: they belong for ever to the namespace in which they were made, so a
thread that steps inside for a moment can take one out and use it from where it lives.
"""

import contextlib
import ctypes
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from lab.errors import CommandFailed
from lab.machines.commands import run

NAMED = Path("/run/netns")
CLONE_NEWNET = 0x40000000


def path(name: str) -> Path:
    return NAMED / name


def exists(name: str) -> bool:
    """A plain file of that name, left by a crash, is not a namespace."""
    try:
        return path(name).lstat().st_dev != NAMED.lstat().st_dev
    except FileNotFoundError:
        return False


def create(name: str) -> None:
    """Make the namespace with loopback up; changes nothing when it is there already."""
    if not exists(name):
        path(name).unlink(missing_ok=True)
        run(["ip", "netns", "add", name])
    run(command(name, ["ip", "link", "set", "lo", "up"]))


def destroy(name: str) -> None:
    """Remove the name; the namespace ends with the last process and socket in it."""
    try:
        if os.path.lexists(path(name)):
            run(["ip", "netns", "delete", name])
    except CommandFailed:
        if os.path.lexists(path(name)):
            raise


def command(name: str, argv: Sequence[str]) -> list[str]:
    """Return `argv` made to run inside the namespace."""
    return ["nsenter", f"--net={path(name)}", "--", *argv]


@contextlib.contextmanager
def enter(namespace: Path) -> Iterator[None]:
    """Move the calling thread into `namespace`, and always back.

    Threads that exist already stay where they are; a thread or process that is started
    meanwhile starts inside.
    """
    with (
        Path("/proc/thread-self/ns/net").open("rb") as before,
        namespace.open("rb") as inside,
    ):
        switch(inside.fileno())
        try:
            yield
        finally:
            switch(before.fileno())


def switch(namespace: int) -> None:
    """Move the calling thread into the network namespace behind an open descriptor."""
    if sys.version_info >= (3, 12):
        os.setns(namespace, CLONE_NEWNET)
    else:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(namespace, CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"cannot enter a network namespace: {os.strerror(number)}")


def connect(namespace: Path, address: tuple[str, int], timeout_s: float) -> socket.socket:
    """Return a TCP connection made inside `namespace`; the caller stays outside.

    Raises OSError as any connect does, so that who retries can tell refused from timed out.
    `address` holds a number and no name: the namespace has no resolver.
    """
    with enter(namespace):
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout_s)
        connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection
