"""Which programs must a host have? What lab's scripts on a node call, and what its services do."""

from lab.provision.preflight_facts import Facts
from lab.provision.preflight_findings import Finding, Found, Wanted

_COMMON = "awk base64 find flock grep install mktemp readlink sed sha256sum systemctl tar"
# What k3s itself calls it brings along: mount, iptables, conntrack and more (k3s-io/k3s-root).
_OF_K3S = "cp ip journalctl umount"
# losetup, mount, cp: kubernetes 1.36, cmd/kubeadm/app/preflight/checks_linux.go, addExecChecks;
# conntrack is none of them since 1.32. iptables-save and -restore: kube-proxy's
# pkg/util/iptables/iptables.go; runc: containerd runs containers by it. Whole paths:
# lab-routes.service calls them so.
_OF_KUBEADM = (
    "/sbin/ip /usr/sbin/iptables iptables-restore iptables-save cp curl losetup mount runc sysctl "
    "umount"
)
PROGRAMS = {
    "k3s": tuple(f"{_COMMON} {_OF_K3S}".split()),
    "kubeadm": tuple(f"{_COMMON} {_OF_KUBEADM}".split()),
}

# The package of Debian and, where it is another, of Fedora.
PACKAGES = {
    "/sbin/ip": ("iproute2", "iproute"),
    "/usr/sbin/iptables": ("iptables", "iptables-nft"),
    "awk": ("mawk", "gawk"),
    "base64": ("coreutils",),
    "cp": ("coreutils",),
    "curl": ("curl",),
    "find": ("findutils",),
    "flock": ("util-linux",),
    "grep": ("grep",),
    "install": ("coreutils",),
    "ip": ("iproute2", "iproute"),
    "iptables-restore": ("iptables", "iptables-nft"),
    "iptables-save": ("iptables", "iptables-nft"),
    "journalctl": ("systemd",),
    "losetup": ("mount", "util-linux"),
    "mktemp": ("coreutils",),
    "mount": ("mount", "util-linux"),
    "readlink": ("coreutils",),
    "runc": ("runc",),
    "sed": ("sed",),
    "sha256sum": ("coreutils",),
    "sysctl": ("procps", "procps-ng"),
    "systemctl": ("systemd",),
    "tar": ("tar",),
    "umount": ("mount", "util-linux"),
}
# Where lab puts programs that its steps call by name, and where sysctl and modprobe are.
DIRECTORIES = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin")


def of_programs(node: str, facts: Facts, wanted: Wanted) -> Found:
    # Of what a host says, nothing else goes into a command that somebody may copy.
    missing = [name for name in facts.one("programs_missing").split() if name in PACKAGES]
    if missing:
        debian, fedora = (
            " ".join(dict.fromkeys(PACKAGES[name][which] for name in missing)) for which in (0, -1)
        )
        yield Finding(
            node,
            f"it lacks programs that a node of {wanted.distribution} needs: {', '.join(missing)}",
            f"on {node}: apt-get install {debian}; or dnf install {fedora}",
        )


def of_path(node: str, facts: Facts, wanted: Wanted) -> Found:
    """Red Hat's sudoers sets secure_path without /usr/local (sudoers(5))."""
    has = facts.one("path").split(":")
    missing = [directory for directory in DIRECTORIES if directory not in has]
    if facts.one("path") and missing:
        yield Finding(
            node,
            f"root does not find programs of {', '.join(missing)}",
            f"on {node}, as root: visudo -f /etc/sudoers.d/lab, "
            'for Defaults secure_path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"',
        )
