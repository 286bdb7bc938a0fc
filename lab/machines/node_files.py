"""What a node finds on its disk at its first boot: who it is and how it is reached."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from lab.machines.keys import Keys
from lab.machines.topology import GATEWAY, MAX_NODES, SUBNET, Node, make_nodes


@dataclass(frozen=True, slots=True)
class NodeFile:
    content: str
    mode: int = 0o644


# With /sys writable and no udev, systemd-networkd would wait for the link for ever,
# so a unit of our own sets the address. nspawn mounts the cgroup hierarchies
# read-only; `remount,bind,rw` changes the mount where a plain remount says "busy".
BOOT_UNIT = """\
[Unit]
Description=Address, cgroups and mounts of a lab node
DefaultDependencies=no
Before=network.target ssh.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/sbin/ip addr replace {address}/{prefix} dev host0
ExecStart=/sbin/ip link set host0 up
ExecStart=/sbin/ip route replace default via {gateway}
ExecStart=/bin/mount --make-rshared /
ExecStart=/bin/sh -c 'for m in /sys/fs/cgroup /sys/fs/cgroup/*; do \
mountpoint -q $$m && mount -o remount,bind,rw $$m; done; true'

[Install]
WantedBy=sysinit.target
"""


def make_files(lab_id: str, node: Node, keys: Keys) -> dict[str, NodeFile]:
    """Return path (relative to the node's root) → file."""
    host_key = keys.host(node)
    unit = "etc/systemd/system/lab-boot.service"
    return {
        "etc/hostname": NodeFile(f"{node.name}\n"),
        "etc/machine-id": NodeFile(f"{machine_id(lab_id, node)}\n", 0o444),
        "etc/hosts": NodeFile(hosts()),
        # No name server can be reached, and each look-up would wait for one.
        "etc/resolv.conf": NodeFile(""),
        "etc/ssh/ssh_host_ed25519_key": NodeFile(host_key.read_text(), 0o600),
        "etc/ssh/ssh_host_ed25519_key.pub": NodeFile(host_key.with_suffix(".pub").read_text()),
        "root/.ssh/authorized_keys": NodeFile(keys.authorized(), 0o600),
        unit: NodeFile(
            BOOT_UNIT.format(address=node.address, prefix=SUBNET.prefixlen, gateway=GATEWAY)
        ),
    }


def hosts() -> str:
    """Return who is who: every node there can be, so that later ones need not be told of."""
    nodes = make_nodes(MAX_NODES)
    lines = ["127.0.0.1 localhost", *(f"{node.address} {node.name}" for node in nodes)]
    return "\n".join(lines) + "\n"


def machine_id(lab_id: str, node: Node) -> str:
    """Return 32 hexadecimal digits, the same at each boot and different for each node."""
    return hashlib.sha256(f"lab {lab_id} {node.name}".encode()).hexdigest()[:32]


def write(upper: Path, files: dict[str, NodeFile]) -> None:
    """Put the files into the node's upper directory, before it is mounted."""
    for directory in ("root", "root/.ssh"):
        (upper / directory).mkdir(parents=True, exist_ok=True)
        (upper / directory).chmod(0o700)
    for name, file in files.items():
        path = upper / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(file.content)
        path.chmod(file.mode)
    wants = upper / "etc/systemd/system/sysinit.target.wants/lab-boot.service"
    wants.parent.mkdir(parents=True, exist_ok=True)
    wants.unlink(missing_ok=True)
    wants.symlink_to("../lab-boot.service")
