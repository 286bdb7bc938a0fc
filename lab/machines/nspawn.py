"""The command that boots one node."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.machines import netns, network
from lab.machines.topology import Node

# Images that are built while a lab is up are imported from here, without a copy to the node.
STORE = "/var/lib/lab/artifacts"


@dataclass(frozen=True, slots=True)
class Disk:
    """The directories of one node below the lab's own."""

    directory: Path

    @property
    def upper(self) -> Path:
        return self.directory / "upper"

    @property
    def work(self) -> Path:
        return self.directory / "work"

    @property
    def root(self) -> Path:
        """Where the overlay is mounted."""
        return self.directory / "root"

    @property
    def console(self) -> Path:
        return self.directory / "console.log"

    @property
    def record(self) -> Path:
        """Which process the node last ran as."""
        return self.directory / "machine.json"

    @property
    def binds(self) -> dict[Path, str]:
        """Return host directory → place in the node, for what must lie on a real file system.

        Snapshots of containerd, also of the one in k3s, are overlays, and an overlay cannot lie
        on an overlay.
        """
        return {
            self.directory / "containerd": "/var/lib/containerd",
            self.directory / "kubelet": "/var/lib/kubelet",
            self.directory / "rancher": "/var/lib/rancher",
        }

    @property
    def draft(self) -> Path:
        """Where the upper directory is filled, until it is complete."""
        return self.directory / "upper.draft"

    def make(self) -> None:
        for path in (self.draft, self.work, self.root, *self.binds):
            path.mkdir(parents=True, exist_ok=True)

    def complete(self) -> None:
        """Make the draft the node's disk: from now on the node has one."""
        self.draft.rename(self.upper)


def machine_name(lab_id: str, node: Node) -> str:
    return f"{lab_id}-{node.name}"


def mount_options(layers: Sequence[Path], disk: Disk) -> str:
    """Return the options of the node's overlay; the first of `layers` is the topmost."""
    lower = ":".join(map(str, layers))
    return f"lowerdir={lower},upperdir={disk.upper},workdir={disk.work}"


def machine_argument(lab_id: str, node: Node) -> str:
    """Return the one argument by which the node's nspawn is found again."""
    return f"--machine={machine_name(lab_id, node)}"


def command(lab_id: str, node: Node, disk: Disk, *, store: Path, registered: bool) -> list[str]:
    """Return the nspawn command line, to be run in the lab's network namespace.

    `store` is seen by the node at STORE and cannot be changed from there. `registered` says
    that machined is to know the node; it needs a host run by systemd.
    """
    binds = [f"--bind={source}:{target}" for source, target in disk.binds.items()]
    argv = [
        "systemd-nspawn",
        "--quiet",
        "--boot",
        "--keep-unit",
        f"--register={'yes' if registered else 'no'}",
        machine_argument(lab_id, node),
        f"--directory={disk.root}",
        f"--network-bridge={network.name(lab_id)}",
        "--capability=all",
        "--bind=/dev/kmsg",
        *binds,
        f"--bind-ro={store}:{STORE}",
        # nspawn would copy the host's, which names a server the node cannot reach.
        "--resolv-conf=off",
        "--timezone=off",
        "--console=pipe",
    ]
    return netns.command(network.name(lab_id), argv)


# kubelet and kube-proxy write below /proc/sys and /sys; runc loads programs into the
# kernel that nspawn's system call filter refuses.
ENVIRONMENT = {"SYSTEMD_NSPAWN_API_VFS_WRITABLE": "1", "SYSTEMD_SECCOMP": "0"}
