"""Assemble the image of kind's nodes from what nodes of the sandbox are made from.

A node image of kind is a whole system: systemd, containerd, kubelet, kubeadm, and the images of
the control plane as archives (kind.sigs.k8s.io/docs/design/node-image). Here nothing of it comes
from a registry. The entrypoint and the units are in kind_files/.
"""

import json
import os
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.artifacts.images import (
    Image,
    Layer,
    Packed,
    Packer,
    digest_of,
    layer_of_tree,
    write_archive,
)
from lab.artifacts.kubeimages import DIRECTORY as IMAGES
from lab.artifacts.recipe import Artifact, Workshop, architecture, digest_files
from lab.errors import BuildFailed
from lab.files import give_to, make_dir, write_json

RECIPE_VERSION = "2"
FILES = Path(__file__).with_name("kind_files")
ARCHIVE = "usr/share/lab/kind/node.tar"
IDS = "usr/share/lab/kind/node.json"
REPOSITORY = "lab.local/kind-node"
UNITS = "etc/systemd/system"
WANTS = f"{UNITS}/multi-user.target.wants"

# Where each of kind_files/ lies in the image.
PROGRAMS = {
    "kind/entrypoint": "entrypoint",
    "usr/local/sbin/import-images": "import-images",
    "usr/local/sbin/kubelet-cgroups": "kubelet-cgroups",
    "usr/local/sbin/pod-routes": "pod-routes",
}
TEXTS = {
    "etc/crictl.yaml": "crictl.yaml",
    "etc/kubernetes/kubelet.conf.d/10-lab.conf": "10-lab.conf",
    "kind/10-lab.conflist": "10-lab.conflist",
    "kind/containerd.toml": "containerd.toml",
    "kind/manifests/default-cni.yaml": "default-cni.yaml",
    "kind/manifests/default-storage.yaml": "default-storage.yaml",
    f"{UNITS}/containerd.service": "containerd.service",
    f"{UNITS}/kubelet.service": "kubelet.service",
    f"{UNITS}/lab-images.service": "lab-images.service",
}
WANTED = ("containerd.service", "lab-images.service")
# Beside what the node root masks: nobody logs in to a container, and the host has udev.
MASKED = ("ssh.service", "systemd-udevd.service", "systemd-udev-trigger.service")
# Imported by role: by every node, or by the one with the control plane.
ARCHIVES = {
    "kind/images/all/agent.tar": ("images", "agent.tar"),
    "kind/images/all/kube-proxy.tar": ("kube-proxy-image", "kube-proxy.tar"),
    "kind/images/cp/server.tar": ("images", "server.tar"),
}
TREES = ("kubernetes", "containerd", "cni", "cri-tools")


@dataclass(frozen=True, slots=True)
class KindNode:
    """A recipe: one archive for `docker load` or `kind create cluster --image`."""

    kubernetes_version: str
    name: str = "kind-node"

    @property
    def needs(self) -> tuple[str, ...]:
        return ("noderoot", *TREES, "images", "kube-proxy-image")

    @property
    def owned_by_root(self) -> bool:
        return False

    def inputs(self) -> Mapping[str, str]:
        return {
            "architecture": architecture(),
            "recipe": RECIPE_VERSION,
            "version": self.kubernetes_version,
            **digest_files(FILES),
        }

    def build(self, workshop: Workshop) -> Mapping[str, str]:
        owner = workshop.paths.caller
        target = make_dir((workshop.tree / ARCHIVE).parent, owner=owner) / Path(ARCHIVE).name
        with workshop.progress.task("Assembling kind's node image"):
            packer = Packer(workshop.scratch)
            lowest = Layer()
            packer.packed[lowest] = pack_root(
                workshop.needs["noderoot"].tree, workshop.scratch / "root.tar"
            )
            image = Image(
                tags=(tag(self.kubernetes_version),),
                entrypoint=("/kind/entrypoint",),
                layers=(lowest, *self.layers(workshop)),
                environment={"container": "docker"},
                # What asks systemd to halt, systemd(1).
                stop_signal="SIGRTMIN+3",
            )
            ids = write_archive(target, (image,), architecture=architecture(), packer=packer)
        target.chmod(0o644)
        give_to(target, owner)
        write_json(workshop.tree / IDS, ids, owner=owner, mode=0o644)
        return {"kubernetes": self.kubernetes_version}

    def layers(self, workshop: Workshop) -> Iterator[Layer]:
        yield from (layer_of_tree(workshop.needs[name].tree) for name in TREES)
        version = workshop.scratch / "version"
        version.write_text(f"{self.kubernetes_version}\n")
        yield Layer(
            programs={path: FILES / name for path, name in PROGRAMS.items()},
            files={"kind/version": version}
            | {path: FILES / name for path, name in TEXTS.items()}
            | {
                path: workshop.needs[artifact].tree / IMAGES / name
                for path, (artifact, name) in ARCHIVES.items()
            },
            links={f"{WANTS}/{unit}": f"/{UNITS}/{unit}" for unit in WANTED}
            | {f"{UNITS}/{unit}": "/dev/null" for unit in MASKED},
        )


def archive_of(artifact: Artifact) -> Path:
    return artifact.tree / ARCHIVE


def archive_id(artifact: Artifact) -> str:
    """Return the id that Docker gives the image, `sha256:` and hexadecimal digits."""
    (found,) = json.loads((artifact.tree / IDS).read_text()).values()
    return str(found)


def tag(version: str) -> str:
    return f"{REPOSITORY}:{version}"


def pack_root(tree: Path, target: Path) -> Packed:
    """Write the node root as a layer, with its owners and modes as they are.

    What other nodes of lab want at boot is left out: a container has no keys and no network of
    its own to set up.
    """
    if not (tree / "usr/lib/systemd/systemd").exists():
        raise BuildFailed(f"{tree} holds no system: there is no systemd in it")
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as archive:
        for path in paths_below(tree):
            member = archive.gettarinfo(path, arcname=str(path.relative_to(tree)))
            member.mtime = 0
            member.uname = member.gname = ""
            if member.isreg():
                with path.open("rb") as file:
                    archive.addfile(member, file)
            else:
                archive.addfile(member)
    return Packed(target, digest_of(target))


def paths_below(tree: Path) -> Iterator[Path]:
    """Yield everything below `tree` in a fixed order, but what systemd is told to want."""
    for folder, subfolders, names in os.walk(tree):
        inside = Path(folder).relative_to(tree)
        if str(inside) == UNITS:
            subfolders[:] = [name for name in subfolders if not name.endswith(".wants")]
        subfolders.sort()
        yield from (Path(folder, name) for name in sorted((*subfolders, *names)))
