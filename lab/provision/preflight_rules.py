"""What must be so on one host before it can be a node? A function a question.

Pure: from what the host said to findings. What was not said is no finding here; that the script
did not come to its end is.
"""

import re
from collections.abc import Iterable

from lab.provision.preflight_facts import DATA, SYSCTLS, Facts
from lab.provision.preflight_findings import Finding, Found, Level, Wanted, untested
from lab.provision.preflight_programs import of_path, of_programs
from lab.provision.preflight_theirs import of_clusters, of_collisions, of_owner, of_program

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
        yield untested(node, "an overlay", said)
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
            yield untested(node, f"a link of the kind {kind}", said)
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
            yield untested(node, "a rule of netfilter", said)
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
    # Those of another lab are explained by its name.
    if wanted.distribution in facts.all("ours") or wanted.is_of_another_lab(facts):
        return
    for kind, port in (*wanted.ports(node), *wanted.inner_ports(node)):
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


_OPEN = {
    "firewalld": "firewall-cmd --zone=trusted --add-source=NETWORK, of nodes, pods and services",
    "ufw": "ufw allow from NETWORK, of nodes, pods and services",
}

OF_ONE = (
    of_completeness,
    of_root,
    of_path,
    of_systemd,
    of_programs,
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
    of_owner,
    of_clusters,
    of_program,
    of_collisions,
)


def judge_one(node: str, facts: Facts, wanted: Wanted) -> Iterable[Finding]:
    for rule in OF_ONE:
        yield from rule(node, facts, wanted)
