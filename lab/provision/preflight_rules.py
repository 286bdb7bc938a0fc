"""What must be so on one host before it can be a node? A function a question.

Pure: from what the host said to findings. What was not said is no finding here; that the script
did not come to its end is.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from lab.provision.preflight_facts import DATA, SYSCTLS, Facts

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
# kubernetes/system-validators: 5.4, 5.10, 5.15 and 6; kubernetes.io/docs/concepts/architecture/
# cgroups: v2 needs 5.8.
OLDEST_KERNEL = (5, 4)
CGROUP_V2_KERNEL = (5, 8)
CONTROLLERS = frozenset(("cpu", "cpuset", "memory", "pids"))
# kubelet evicts at 15 % (imagefs.available) and 10 % (nodefs.available); the images alone are 1 GB.
FREE_DISK_SHARE, FREE_DISK_MIB = 0.15, 2048
# Of 2 GB for a server and 512 MB for an agent (docs.k3s.io/installation/requirements), a host's
# own programs have their part.
FREE_MEMORY_MIB = {True: 1024, False: 384}


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


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be made: `distribution` is "k3s" or "kubeadm", `servers` are names of nodes.

    `architecture` is that of the programs to be put on, amd64 or arm64; empty where there is one
    for each. `adopt` takes a cluster that lab did not make.
    """

    distribution: str
    servers: frozenset[str]
    architecture: str = ""
    adopt: bool = False

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


Found = Iterator[Finding]


def of_completeness(node: str, facts: Facts, wanted: Wanted) -> Found:
    if not facts.complete:
        last = list(facts.said)[-1] if facts.said else "nothing"
        yield Finding(node, f"the look at it was cut short; last it said {last}", "the same again")


def of_root(node: str, facts: Facts, wanted: Wanted) -> Found:
    if facts.one("uid") not in ("", "0"):
        yield Finding(
            node,
            f"the user with the number {facts.one('uid')} is not root",
            f"on {node}, as root: visudo -f /etc/sudoers.d/lab, for sudo without a password",
        )


def of_systemd(node: str, facts: Facts, wanted: Wanted) -> Found:
    if facts.one("systemd") not in ("", "running"):
        first = facts.one("systemd").removeprefix("no: ")
        yield Finding(
            node, f"systemd does not run there; process 1 is {first}", "a host with systemd"
        )


def of_architecture(node: str, facts: Facts, wanted: Wanted) -> Found:
    machine = facts.one("arch")
    architecture = ARCHITECTURES.get(machine)
    if machine and not architecture:
        yield Finding(node, f"its architecture {machine} is none of amd64, arm64", "another host")
    elif architecture and wanted.architecture not in ("", architecture):
        yield Finding(
            node,
            f"it is {architecture}, and the programs are for {wanted.architecture}",
            f"hosts that are all {wanted.architecture}, or lab on an {architecture} host",
        )


def of_kernel(node: str, facts: Facts, wanted: Wanted) -> Found:
    release = facts.one("kernel")
    found = re.match(r"(\d+)\.(\d+)", release)
    if not found:
        return
    version = (int(found[1]), int(found[2]))
    if version < OLDEST_KERNEL:
        yield Finding(node, f"its kernel {release} is older than 5.4", f"a newer kernel on {node}")
    elif version < CGROUP_V2_KERNEL and facts.one("cgroup") == "v2":
        what = f"its kernel {release} is older than 5.8, which cgroup v2 should have"
        yield Finding(node, what, f"a newer kernel on {node}", Level.WARNING)


def of_cgroups(node: str, facts: Facts, wanted: Wanted) -> Found:
    if facts.one("cgroup") == "v1":
        yield Finding(
            node,
            "it has cgroup v1, which Kubernetes only maintains; kubelet gets fail-cgroupv1=false",
            f"on {node}: systemd.unified_cgroup_hierarchy=1 on the kernel's command line",
            Level.WARNING,
        )
    missing = CONTROLLERS - set(facts.one("controllers").split())
    if "controllers" in facts.said and missing:
        yield Finding(
            node,
            f"cgroup controllers are missing: {', '.join(sorted(missing))}",
            f"on {node}: cgroup_enable=memory on the kernel's command line, or Delegate=yes",
        )


def of_kernel_log(node: str, facts: Facts, wanted: Wanted) -> Found:
    if facts.one("kmsg") == "missing":
        yield Finding(
            node,
            "/dev/kmsg cannot be read, and kubelet needs it",
            f"if {node} is a container: pass /dev/kmsg on, or link it to /dev/console",
        )


def of_overlay(node: str, facts: Facts, wanted: Wanted) -> Found:
    said = facts.one("overlay")
    if said in ("", "ok"):
        return
    place, data = facts.one("place"), DATA[wanted.distribution]
    if said.startswith("untested"):
        yield _untested(node, "an overlay", said)
    elif facts.one("file_system") == "overlayfs":
        yield Finding(
            node,
            f"{place} is on an overlay itself, and none can be used on it: {said}",
            f"a file system of its own (ext4, xfs) at {data} on {node}",
        )
    else:
        yield Finding(
            node,
            f"no overlay can be used below {place}, on {facts.one('file_system')}: {said}",
            f"modprobe overlay on {node}; or ext4 or xfs, not noexec, at {data}",
        )


def of_links(node: str, facts: Facts, wanted: Wanted) -> Found:
    """Only flannel makes VXLANs; kubeadm's nodes have routes."""
    kinds = ("vxlan", "bridge", "veth") if wanted.distribution == "k3s" else ("bridge", "veth")
    for kind in kinds:
        said = facts.one(kind)
        if said.startswith("untested"):
            yield _untested(node, f"a link of the kind {kind}", said)
        elif said not in ("", "ok"):
            yield Finding(node, f"no {kind} can be made: {said}", f"modprobe {kind} on {node}")


def of_netfilter(node: str, facts: Facts, wanted: Wanted) -> Found:
    if facts.one("conntrack") == "missing":
        yield Finding(
            node, "its kernel cannot track connections", f"modprobe nf_conntrack on {node}"
        )
    if facts.one("br_netfilter") == "missing":
        yield Finding(
            node,
            "its kernel does not show bridged packets to netfilter",
            f"modprobe br_netfilter on {node}; services are not found from all pods without",
            Level.WARNING,
        )
    said = facts.one("nat")
    # k3s brings an iptables of its own, so that the host has none says nothing.
    if said not in ("", "ok", "untested: no iptables"):
        if said.startswith("untested"):
            yield _untested(node, "a rule of netfilter", said)
        else:
            what = f"no rule can be set that kube-proxy needs: {said}"
            yield Finding(node, what, f"modprobe nft_chain_nat, or iptable_nat, on {node}")


def of_iptables(node: str, facts: Facts, wanted: Wanted) -> Found:
    """k3s issue 3117, docs.k3s.io/known-issues: rules are doubled, in the nftables mode."""
    version = facts.one("iptables")
    if re.search(r"v1\.8\.[0-4]\b", version) and "legacy" not in version:
        yield Finding(
            node,
            f"{version} doubles its rules until nothing works (1.8.0 to 1.8.4)",
            f"on {node}: update-alternatives --set iptables /usr/sbin/iptables-legacy",
        )


def of_route(node: str, facts: Facts, wanted: Wanted) -> Found:
    """docs.k3s.io/installation/airgap: k3s does not start without one."""
    if "route" in facts.said and not facts.one("route"):
        level = Level.ERROR if wanted.distribution == "k3s" else Level.WARNING
        yield Finding(
            node,
            "it has no default route",
            f"on {node}: ip link add dummy0 type dummy, ip link set dummy0 up, "
            "ip route add default dev dummy0 metric 1000",
            level,
        )


def of_disk(node: str, facts: Facts, wanted: Wanted) -> Found:
    size = facts.numbers("disk")
    if len(size) != 2 or not size[0]:
        return
    total, free = (kib / 1024 for kib in size)
    if free <= FREE_DISK_MIB or free <= total * FREE_DISK_SHARE:
        yield Finding(
            node,
            f"{facts.one('place')} has {free:.0f} MiB free of {total:.0f}: "
            f"more than 15 % and {FREE_DISK_MIB} MiB are needed",
            f"df -h on {node}, and remove what nobody needs",
        )


def of_memory(node: str, facts: Facts, wanted: Wanted) -> Found:
    size, floor = facts.numbers("memory"), FREE_MEMORY_MIB[node in wanted.servers]
    if len(size) == 2 and size[1] / 1024 < floor and not facts.all("ours"):
        role = "a server" if node in wanted.servers else "an agent"
        what = f"{size[1] / 1024:.0f} MiB of memory are free; {role} needs {floor}"
        yield Finding(node, what, f"free on {node}, and stop what nobody needs")


def of_ports(node: str, facts: Facts, wanted: Wanted) -> Found:
    if wanted.distribution in facts.all("ours"):
        return
    for kind, port in wanted.ports(node):
        if (kind, port) in facts.listening:
            flag = "-ltnp" if kind == "tcp" else "-lunp"
            yield Finding(
                node, f"port {port}/{kind} is in use", f"on {node}: ss {flag} 'sport = :{port}'"
            )


def of_sysctls(node: str, facts: Facts, wanted: Wanted) -> Found:
    for name, (state, value) in facts.sysctls.items():
        if state == "fixed" and value != str(SYSCTLS[name]):
            yield Finding(
                node,
                f"{name} is {value}, and cannot be set to {SYSCTLS[name]} there",
                f"on the host of {node}: sysctl -w {name}={SYSCTLS[name]}",
            )


def of_swap(node: str, facts: Facts, wanted: Wanted) -> Found:
    if facts.one("swap"):
        what = f"it swaps, to {facts.one('swap')}: pods may be slow for no reason they show"
        yield Finding(node, what, f"swapoff -a on {node}", Level.WARNING)


def of_firewall(node: str, facts: Facts, wanted: Wanted) -> Found:
    ports = ", ".join(f"{port}/{kind}" for kind, port in sorted(wanted.ports(node)))
    for name in facts.all("firewall"):
        yield Finding(
            node,
            f"{name} is on: it must let the nodes' traffic through ({ports}), and that of pods",
            f"on {node}: {_OPEN[name]}",
            Level.WARNING,
        )


def of_clusters(node: str, facts: Facts, wanted: Wanted) -> Found:
    for kind, undo in _UNDO.items():
        paths = facts.all(kind)
        if kind in facts.all("ours"):
            if kind != wanted.distribution:
                yield Finding(node, f"it is a node of a lab with {kind}", "lab list, lab down")
        elif paths:
            yield Finding(
                node,
                f"there is a {kind} that lab did not put there: {', '.join(paths)}",
                f"if nobody needs it: {undo} on {node}",
                Level.WARNING if wanted.adopt and kind == wanted.distribution else Level.ERROR,
            )


def of_program(node: str, facts: Facts, wanted: Wanted) -> Found:
    path = facts.one("k3s_program")
    if path and wanted.distribution == "k3s" and "k3s" not in facts.all("ours"):
        what = f"there is a {path}, and lab puts that of its lock in its place"
        yield Finding(node, what, f"{path} --version on {node}, to see which", Level.WARNING)


_UNDO = {"k3s": "k3s-uninstall.sh or k3s-agent-uninstall.sh", "kubeadm": "kubeadm reset"}
_OPEN = {
    "firewalld": "firewall-cmd --zone=trusted --add-source=NETWORK, of nodes, pods and services",
    "ufw": "ufw allow from NETWORK, of nodes, pods and services",
}

OF_ONE = (
    of_completeness,
    of_root,
    of_systemd,
    of_architecture,
    of_kernel,
    of_cgroups,
    of_kernel_log,
    of_overlay,
    of_links,
    of_netfilter,
    of_iptables,
    of_route,
    of_disk,
    of_memory,
    of_ports,
    of_sysctls,
    of_swap,
    of_firewall,
    of_clusters,
    of_program,
)


def judge_one(node: str, facts: Facts, wanted: Wanted) -> Iterable[Finding]:
    for rule in OF_ONE:
        yield from rule(node, facts, wanted)


def _untested(node: str, what: str, said: str) -> Finding:
    return Finding(
        node, f"{what} could not be tried ({said})", f"see it on {node} by hand", Level.WARNING
    )
