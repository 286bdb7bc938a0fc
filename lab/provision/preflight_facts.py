"""What does a host say of itself before anything is put on it?

The script runs on the host, as root, and changes nothing; its words become `Facts` here.
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from lab.machines.topology import ID_LENGTH, is_lab_name

Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Where the images of containers will lie, so where an overlay has to work and room to be.
DATA = {"k3s": "/var/lib/rancher/k3s", "kubeadm": "/var/lib/containerd"}

# What kubelet sets unless it finds it so (kubelet pkg/kubelet/cm/container_manager_linux.go,
# setupKernelTunables), and what carries the pods' traffic (k3s pkg/agent/syssetup/setup.go).
SYSCTLS = {
    "kernel.keys.root_maxbytes": 25000000,
    "kernel.keys.root_maxkeys": 1000000,
    "kernel.panic": 10,
    "kernel.panic_on_oops": 1,
    "net.bridge.bridge-nf-call-ip6tables": 1,
    "net.bridge.bridge-nf-call-iptables": 1,
    "net.ipv4.ip_forward": 1,
    "vm.overcommit_memory": 1,
    "vm.panic_on_oom": 0,
}


# Of pods, not of the machine: links of k3s (flannel), of lab, and of containers.
POD_LINKS = re.compile(r"(cni0|flannel[.-].+|kube-ipvs0|veth.*|lab-.*)")


@dataclass(frozen=True, slots=True)
class Owner:
    """The lab to which a host belongs, as its file /var/lib/lab/owner says: "ID NAME"."""

    lab_id: str
    name: str


@dataclass(frozen=True)
class Facts:
    """What the script said, by name, in its order; and when it was asked and had answered.

    `began` and `ended` are seconds since 1970 by the clock here, around the call.
    """

    said: Mapping[str, tuple[str, ...]]
    began: float
    ended: float

    def one(self, name: str) -> str:
        return next(iter(self.said.get(name, ())), "")

    def all(self, name: str) -> tuple[str, ...]:
        return self.said.get(name, ())

    @property
    def complete(self) -> bool:
        return "end" in self.said

    @cached_property
    def ahead(self) -> tuple[float, float] | None:
        """By how many seconds the host's clock is ahead of the one here: at least, at most.

        The first reading came after `began`, the last before `ended`; None without them.
        """
        first, last = _seconds(self.one("clock")), _seconds(self.one("end"))
        if first is None or last is None:
            return None
        return (last - self.ended, first - self.began)

    @cached_property
    def listening(self) -> frozenset[tuple[str, int]]:
        """Pairs of "tcp" or "udp" and the port."""
        found = re.findall(r"\b(tcp|udp)/([0-9A-F]{4})\b", self.one("listening"))
        return frozenset((kind, int(port, 16)) for kind, port in found)

    @cached_property
    def sysctls(self) -> dict[str, tuple[str, str]]:
        """Name → ("writable", "fixed" or "absent", value)."""
        lines = (line.split() for line in self.all("sysctl"))
        return {
            words[0]: (words[1], " ".join(words[2:]))
            for words in lines
            if len(words) > 1 and words[0] in SYSCTLS
        }

    @cached_property
    def owner(self) -> Owner | None:
        """The lab to which it belongs; None where it says none, and where that names no lab."""
        lab_id, _, name = self.one("owner").partition(" ")
        known = re.fullmatch(rf"[a-z]{{{ID_LENGTH}}}", lab_id) and is_lab_name(name)
        return Owner(lab_id, name) if known else None

    @cached_property
    def interfaces(self) -> tuple[tuple[str, Interface], ...]:
        """Links with each of their addresses, but for those of pods."""
        return tuple(_interfaces(self.all("address")))

    @cached_property
    def networks(self) -> tuple[Network, ...]:
        """The networks of IPv4 in which the machine itself is."""
        nets = (
            each.network
            for _, each in self.interfaces
            if each.version == 4 and not each.is_loopback and not each.is_link_local
        )
        return tuple(dict.fromkeys(nets))

    def numbers(self, name: str) -> tuple[int, ...]:
        """Return the whole numbers of a line, none where it has anything else."""
        words = self.one(name).split()
        return tuple(map(int, words)) if all(map(str.isdecimal, words)) else ()


def read_facts(text: str, *, began: float, ended: float) -> Facts:
    """Return what the script printed; what is not of its form is left out.

    It comes from a machine that is not known yet and will be shown: no control characters.
    """
    said: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        name, mark, value = line.partition("=")
        if mark and name.isidentifier():
            shown = "".join(each if each.isprintable() else "?" for each in value.strip())
            said[name] = (*said.get(name, ()), shown)
    return Facts(said, began, ended)


def _interfaces(lines: tuple[str, ...]) -> Iterator[tuple[str, Interface]]:
    for line in lines:
        link, _, address = line.partition(" ")
        try:
            interface = ipaddress.ip_interface(address)
        except ValueError:
            continue
        if not POD_LINKS.fullmatch(link.partition("@")[0]):
            yield (link, interface)


def _seconds(text: str) -> float | None:
    # busybox' date knows no nanoseconds and prints what it does not know.
    number = re.match(r"\d+(\.\d+)?", text)
    return float(number.group()) if number else None
