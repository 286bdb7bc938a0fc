"""Publish ports of a lab on the host's loopback.

The lab's network has no way out, so what a user needs of it is relayed: a small program
listens on 127.0.0.1 in the host's namespace and connects inside the lab's. A socket
belongs for ever to the namespace in which it was made, hence the order: make the
listeners, enter the lab's namespace, stay there.

The program is a supervisor that owns the listeners, and a worker that relays. While a
worker that died is replaced, clients wait in the queues of the listeners. The supervisor
also ends when the name of the namespace is gone, so that none lives on when `lab down`
could not end it. Both run detached, as the user behind sudo: root is needed for no longer
than it takes to enter.
"""

import argparse
import contextlib
import errno
import gc
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from lab.errors import HostUnfit, MachineError
from lab.files import give_to
from lab.machines import netns as namespaces
from lab.machines import processes, supervisor
from lab.machines.processes import ProcessId
from lab.paths import Caller

LOOPBACK = "127.0.0.1"
BACKLOG = 4096
START_BOUND_S = 20.0
STOP_GRACE_S = 5.0
PORTS_TRIED = 100


@dataclass(frozen=True, slots=True)
class Forward:
    """`listen_port` on the host's loopback leads to `port` of the first of `hosts` that answers.

    Hosts are IPv4 addresses inside.
    """

    listen_port: int
    hosts: tuple[str, ...]
    port: int

    def spell(self) -> str:
        return f"{LOOPBACK}:{self.listen_port}={','.join(self.hosts)}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Self:
        outside, _, inside = text.partition("=")
        listen_host, _, listen_port = outside.rpartition(":")
        hosts, _, port = inside.rpartition(":")
        if listen_host != LOOPBACK or not hosts:
            raise ValueError(f"{text!r} is not {LOOPBACK}:PORT=HOST[,HOST]:PORT")
        return cls(int(listen_port), tuple(hosts.split(",")), int(port))


def start(
    *, netns: Path, forwards: Sequence[Forward], label: str, log: Path, owner: Caller
) -> ProcessId:
    """Start the program, and return its supervisor when it listens.

    Raises HostUnfit with the port when one is in use. What goes wrong later is in `log`.
    """
    argv = [
        # Not -I: that would lose a lab that is installed for the calling user only.
        *(sys.executable, "-P", "-m", "lab.machines.forwarder"),
        *(f"--netns={netns}", _mark(label), f"--user={owner.uid}:{owner.gid}"),
        *(f"--forward={forward.spell()}" for forward in forwards),
    ]
    try:
        status, said = _run(argv, log=log, owner=owner)
    except subprocess.TimeoutExpired as exc:
        raise MachineError(f"forwarder of {label} did not listen in {START_BOUND_S:g} s") from exc
    if status == errno.EADDRINUSE:
        raise HostUnfit(said, hint="ss -ltnp")
    if status != 0:
        raise MachineError(f"forwarder of {label} did not start: {said or f'see {log}'}")
    return processes.identify(int(said))


def _run(argv: Sequence[str], *, log: Path, owner: Caller) -> tuple[int, str]:
    with log.open("ab") as errors:
        give_to(log, owner)
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            timeout=START_BOUND_S,
            check=False,
        )
    return done.returncode, done.stdout.strip()


def find(label: str) -> list[ProcessId]:
    """Return the supervisors started with `label`, for when none could be recorded."""
    # The worker has the same arguments, but only the supervisor leads the session.
    return [p for p in processes.find_by_argument(_mark(label)) if _leads_session(p.pid)]


def stop(process: ProcessId) -> None:
    """End the supervisor and with it the worker; every open connection is closed."""
    processes.terminate(process, grace_s=STOP_GRACE_S)


def free_port(preferred: int) -> int:
    """Return `preferred`, or the next port of the loopback on which nobody listens."""
    last = min(preferred + PORTS_TRIED - 1, 65535)
    for port in range(preferred, last + 1):
        with contextlib.suppress(OSError), socket.create_server((LOOPBACK, port)):
            return port
    raise HostUnfit(f"no port of {LOOPBACK} from {preferred} to {last} is free", hint="ss -ltnp")


def _mark(label: str) -> str:
    return f"--label={label}"


def _leads_session(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        return os.getsid(pid) == pid
    return False


def main(argv: Sequence[str]) -> int:
    """Leave a supervisor in the background and say its pid, or say what is wrong."""
    # Loaded before root is dropped: that user may not be able to read where Python lies.
    from lab.machines import relay

    options = _options(argv)
    try:
        listeners = [(_listen(f), [(host, f.port) for host in f.hosts]) for f in options.forward]
        with options.netns.open("rb") as inside:
            namespaces.switch(inside.fileno())
    except OSError as exc:
        sys.stdout.write(f"{exc.strerror}{f': {exc.filename}' if exc.filename else ''}\n")
        return exc.errno or 1
    if pid := os.fork():
        sys.stdout.write(f"{pid}\n")
        return 0
    _detach(*options.user)
    supervisor.supervise(lambda: relay.run(listeners), wanted=lambda: _is_own(options.netns))
    return 0


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="lab.machines.forwarder", allow_abbrev=False)
    parser.add_argument("--netns", type=Path, required=True)
    parser.add_argument("--label", required=True)
    parser.add_argument("--forward", type=Forward.parse, action="append", required=True)
    parser.add_argument("--user", type=_user, default=(0, 0))
    return parser.parse_args(argv)


def _user(text: str) -> tuple[int, int]:
    uid, _, gid = text.partition(":")
    return int(uid), int(gid)


def _listen(forward: Forward) -> socket.socket:
    try:
        return socket.create_server((LOOPBACK, forward.listen_port), backlog=BACKLOG)
    except OSError as exc:
        where = f"{LOOPBACK}:{forward.listen_port}"
        what = "is in use" if exc.errno == errno.EADDRINUSE else f"cannot be had: {exc.strerror}"
        raise OSError(exc.errno, f"{where} {what}") from exc


def _is_own(namespace: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return namespace.samefile("/proc/self/ns/net")
    return False


def _detach(uid: int, gid: int) -> None:
    os.setsid()
    os.chdir("/")
    os.dup2(2, 1)  # who waits for the pid reads until the end
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if uid != os.geteuid():
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    gc.freeze()  # or the worker's first collection copies every page it shares


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
