"""A network in which machines and their tester reach each other, and nothing else is.

It is a namespace that holds a bridge with the tester's address and a tap for each machine.
Whoever looks for the rest of the world is told at once that there is none.

The tester locks the namespace itself. The kernel releases the lock when the tester dies,
and the next network sweeps what has no holder, with the programs that still run inside.
"""

import contextlib
import fcntl
import ipaddress
import itertools
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.machines import netns
from lab.machines.commands import run
from tests.qemu import image, uplinks
from tests.qemu.uplinks import Uplink

PREFIX = "lt-"
BRIDGE = "hosts"
SUBNET = ipaddress.ip_network("10.88.0.0/24")
GATEWAY = str(SUBNET[1])


@dataclass(frozen=True, slots=True)
class Network:
    """A namespace of that name, for the length of a `with network()`."""

    name: str

    @property
    def path(self) -> Path:
        return netns.path(self.name)

    def attach(self, machine: str, number: int) -> Uplink:
        """Make the tap of a machine, called as it, and return its uplink: 10.88.0.11 for 1."""
        self.run(
            f"tuntap add dev {machine} mode tap",
            f"link set {machine} master {BRIDGE} up",
        )
        return uplinks.bridged(
            str(SUBNET[10 + number]),
            tap=machine,
            mac=uplinks.mac(number),
            namespace=self.name,
            gateway=GATEWAY,
        )

    def command(self, argv: Sequence[str]) -> list[str]:
        """Return `argv` made to run inside."""
        return netns.command(self.name, argv)

    def run(self, *lines: str) -> None:
        """Run commands of `ip` inside."""
        run(self.command(["ip", "-batch", "-"]), input="\n".join(lines))


@contextmanager
def network() -> Iterator[Network]:
    """Make a network; at the end it is gone, with everything that runs inside."""
    # A namespace that is not locked yet must not be swept.
    with image.locked(image.directory_of_tests() / "networks.lock"):
        sweep()
        made = Network(free_name())
        netns.create(made.name)
        holder = os.open(made.path, os.O_RDONLY)
        fcntl.flock(holder, fcntl.LOCK_EX)
    try:
        configure(made)
        yield made
    finally:
        os.close(holder)
        remove(made.name)


def configure(made: Network) -> None:
    made.run(
        f"link add {BRIDGE} type bridge",
        f"address add {GATEWAY}/{SUBNET.prefixlen} dev {BRIDGE}",
        f"link set {BRIDGE} up",
        "route add unreachable default",
    )
    # Only who forwards says that something cannot be reached.
    run(made.command(["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]))


def free_name() -> str:
    first = f"{PREFIX}{os.getpid()}"
    names = itertools.chain([first], (f"{first}-{number}" for number in itertools.count(2)))
    return next(name for name in names if not netns.exists(name))


def sweep() -> None:
    for place in netns.NAMED.glob(f"{PREFIX}*"):
        if not is_held(place):
            remove(place.name)


def is_held(place: Path) -> bool:
    try:
        found = os.open(place, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(found)
    return False


def remove(name: str) -> None:
    for pid in processes(name):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    netns.destroy(name)


def processes(name: str) -> set[int]:
    """Return who runs inside, without the caller, who may be there for a moment."""
    if not netns.exists(name):
        return set()
    return {int(pid) for pid in run(["ip", "netns", "pids", name]).split()} - {os.getpid()}
