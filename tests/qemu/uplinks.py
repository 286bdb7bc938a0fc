"""How is a machine attached to a network, and where does its tester find its ssh server?"""

import socket
from collections.abc import Sequence
from dataclasses import dataclass

from lab.machines import netns

LOOPBACK = "127.0.0.1"
SSH_PORT = 22


@dataclass(frozen=True, slots=True)
class Uplink:
    """The one network interface of a machine.

    `address` and `port` are those of its ssh server as the tester sees it, in the network
    namespace of that name; None stands for the tester's own. `qemu` are QEMU's options, and
    `inside` is what the machine's systemd-networkd is told.
    """

    address: str
    port: int
    namespace: str | None
    qemu: tuple[str, ...]
    inside: str

    @property
    def known_as(self) -> str:
        """Return what known_hosts calls it (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""
        return self.address if self.port == SSH_PORT else f"[{self.address}]:{self.port}"

    def command(self, argv: Sequence[str]) -> list[str]:
        """Return `argv` made to run where the machine is reached; it keeps its pid."""
        return netns.command(self.namespace, argv) if self.namespace else list(argv)

    def is_answered(self, *, timeout_s: float) -> bool:
        """Whether an ssh server greets; QEMU itself accepts before anybody listens inside."""
        try:
            with self._connect(timeout_s) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def _connect(self, timeout_s: float) -> socket.socket:
        there = (self.address, self.port)
        if self.namespace:
            return netns.connect(netns.path(self.namespace), there, timeout_s)
        return socket.create_connection(there, timeout=timeout_s)


def restricted(port: int) -> Uplink:
    """Return QEMU's user network, in which a machine is alone: a loopback port leads in."""
    forward = f"hostfwd=tcp:{LOOPBACK}:{port}-:{SSH_PORT}"
    return Uplink(
        address=LOOPBACK,
        port=port,
        namespace=None,
        qemu=(
            *("-netdev", f"user,id=uplink,restrict=on,ipv6=off,{forward}"),
            *("-device", "virtio-net-pci,netdev=uplink"),
        ),
        inside=configuration("10.0.2.15/24", gateway="10.0.2.2"),
    )


def bridged(address: str, *, tap: str, mac: str, namespace: str, gateway: str) -> Uplink:
    """Return a port of a bridge in a namespace, for which there is a tap already."""
    return Uplink(
        address=address,
        port=SSH_PORT,
        namespace=namespace,
        qemu=(
            *("-netdev", f"tap,id=uplink,ifname={tap},script=no,downscript=no"),
            *("-device", f"virtio-net-pci,netdev=uplink,mac={mac}"),
        ),
        inside=configuration(f"{address}/24", gateway=gateway),
    )


def mac(number: int) -> str:
    """Return an address for the machine's card: all have the same one unless they are told."""
    return f"52:54:00:58:00:{number:02x}"


def configuration(address: str, *, gateway: str) -> str:
    """Configure a way out, so that it is the missing network that keeps packets in."""
    return f"""\
[Match]
Driver=virtio_net

[Network]
Address={address}
Gateway={gateway}
LinkLocalAddressing=no
IPv6AcceptRA=no
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
