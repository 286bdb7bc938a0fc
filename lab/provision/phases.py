"""What the phases of every distribution have in common."""

from dataclasses import dataclass

from lab.machines.topology import Node
from lab.provision.rendering import render_text

# Where files come to a node before they are compared; only root may look there.
STAGE = "/var/lib/lab/stage"
# A step that is done on a node and need not be done again has a file of its name here.
STAMPS = "/var/lib/lab/stamps"
# Removes lab's mark from a host, when all else is gone.
RELEASE = "host-release.sh.j2"
CLAIM = "host-claim.sh.j2"
# What lab's own files, kubelet (pkg/kubelet/cm, setupKernelTunables), kube-proxy (cmd/kube-proxy,
# setupConntrack; pkg/proxy/iptables, route_localnet) and k3s (pkg/agent/syssetup) set.
KERNEL_SETTINGS = (
    "fs.inotify.max_user_instances",
    "fs.inotify.max_user_watches",
    "kernel.keys.root_maxbytes",
    "kernel.keys.root_maxkeys",
    "kernel.panic",
    "kernel.panic_on_oops",
    "net.bridge.bridge-nf-call-ip6tables",
    "net.bridge.bridge-nf-call-iptables",
    "net.ipv4.conf.all.forwarding",
    "net.ipv4.conf.all.route_localnet",
    "net.ipv4.conf.all.rp_filter",
    "net.ipv4.conf.default.rp_filter",
    "net.ipv4.ip_forward",
    "net.ipv6.conf.all.forwarding",
    "net.netfilter.nf_conntrack_max",
    "net.netfilter.nf_conntrack_tcp_timeout_close_wait",
    "net.netfilter.nf_conntrack_tcp_timeout_established",
    "vm.overcommit_memory",
    "vm.panic_on_oom",
)
# What a host may have, empty or not, of the directories that are removed again when they are empty.
DIRECTORIES = (
    "/etc/cni",
    "/etc/cni/net.d",
    "/etc/containerd",
    "/etc/kubernetes",
    "/etc/lab",
    "/etc/rancher",
    "/opt/cni",
    "/opt/cni/bin",
    "/opt/containerd",
    "/run/netns",
    "/usr/share/lab",
    "/usr/share/lab/images",
    "/var/lib/cni",
    "/var/lib/containerd",
    "/var/lib/etcd",
    "/var/lib/kubelet",
    "/var/lib/rancher",
    "/var/log/containers",
    "/var/log/pods",
)


@dataclass(frozen=True, slots=True)
class Parcel:
    """A file of this host that a machine of an inventory needs at `staged`, below STAGE.

    `unless` is a shell command that succeeds where what it brings is in its place already.
    """

    source: str
    staged: str
    sha256: str
    unless: str


def claim_script(owner: str) -> str:
    """Return the script that marks a host as the lab's, and notes its settings and directories.

    `owner` is "ID NAME" of the lab. A host with another mark is refused.
    """
    values = {"owner": owner, "kernel_settings": KERNEL_SETTINGS, "directories": DIRECTORIES}
    return f"(\n{render_text(CLAIM, values)}\n)\n"


def release_script(owner: str) -> str:
    """Return the script that takes the mark off and tells how the host differs from before."""
    return render_text(RELEASE, {"owner": owner, "kernel_settings": KERNEL_SETTINGS})


def name_range(nodes: tuple[Node, ...]) -> str:
    """Return `n2`, `n2 to n6`, or `n2, n5 and n6` where some are left out.

    Names that lab did not give need not be in any order, so all of them are said.
    """
    names = [node.name for node in nodes]
    if len(names) == 1:
        return names[0]
    is_row = nodes[-1].number - nodes[0].number == len(nodes) - 1
    if is_row and len(names) > 2 and not any(node.called for node in nodes):
        return f"{names[0]} to {names[-1]}"
    return f"{', '.join(names[:-1])} and {names[-1]}"


def api_addresses(node: Node, nodes: tuple[Node, ...]) -> list[str]:
    """Return where `node` finds the API, itself first; a client tries them in this order."""
    servers = sorted((n for n in nodes if n.is_server), key=lambda n: (n != node, n.number))
    return [server.address for server in servers]
