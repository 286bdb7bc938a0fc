"""What is wrong with a host, and what it was judged by."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from lab.provision.preflight_facts import Facts


class Level(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a node, and the next command. An error forbids to go on."""

    node: str
    what: str
    remedy: str
    level: Level = Level.ERROR

    def text(self) -> str:
        return f"{self.level}: {self.node}: {self.what}\n    {self.remedy}"


Found = Iterator[Finding]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be made: `distribution` is "k3s" or "kubeadm", `servers` are names of nodes.

    `architecture` is that of the programs to be put on, amd64 or arm64; empty where there is one
    for each. `adopt` takes a k3s that lab did not make; a kubeadm cluster is never taken.
    `owner` is the id of the lab, and empty for one that is not made yet.
    """

    distribution: str
    servers: frozenset[str]
    architecture: str = ""
    adopt: bool = False
    owner: str = ""

    @property
    def etcd(self) -> bool:
        return self.distribution == "kubeadm" or len(self.servers) > 1

    def ports(self, node: str) -> Iterator[tuple[str, int]]:
        """docs.k3s.io/installation/requirements; kubernetes.io/docs/reference/networking/
        ports-and-protocols."""
        yield ("tcp", 10250)
        if self.distribution == "k3s":
            yield ("udp", 8472)
        if node in self.servers:
            yield ("tcp", 6443)
            if self.etcd:
                yield from (("tcp", 2379), ("tcp", 2380))

    def inner_ports(self, node: str) -> Iterator[tuple[str, int]]:
        """Ports that must be free and need not be open to others.

        kubernetes 1.36: cmd/kubeadm/app/preflight/checks.go asks for those of the scheduler and
        the controller manager; kube-proxy's and kubelet's are of pkg/cluster/ports/ports.go.
        """
        if self.distribution == "kubeadm":
            yield from (("tcp", port) for port in (10248, 10249, 10256))
            if node in self.servers:
                yield from (("tcp", 10257), ("tcp", 10259))

    def is_of_another_lab(self, facts: Facts) -> bool:
        """Whether the host says that it belongs to a lab, and it is not this one."""
        return "owner" in facts.said and (not facts.owner or facts.owner.lab_id != self.owner)

    def is_ours(self, facts: Facts) -> bool:
        """Whether what lies where lab writes is this lab's; without an owner, its marks count."""
        if "owner" in facts.said:
            return not self.is_of_another_lab(facts)
        return self.distribution in facts.all("ours")


def untested(node: str, what: str, said: str) -> Finding:
    return Finding(
        node, f"{what} could not be tried ({said})", f"see it on {node} by hand", Level.WARNING
    )
