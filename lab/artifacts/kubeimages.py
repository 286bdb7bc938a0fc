"""Pack the images of a kubeadm control plane from the programs that were built.

kubeadm writes image names into its manifests: registry, name and tag as its
release decides them. The tags of what is not Kubernetes itself are kubeadm's
wish, not the version inside: `kubeadm config images list` shows them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from lab.artifacts.images import Image, Layer, Packer, write_archive
from lab.artifacts.recipe import Artifact, Workshop, architecture
from lab.files import give_to, make_dir

RECIPE_VERSION = "1"
REGISTRY = "registry.k8s.io"
ETCD = f"{REGISTRY}/etcd:3.6.8-0"
COREDNS = f"{REGISTRY}/coredns/coredns:v1.14.2"
PAUSE = f"{REGISTRY}/pause:3.10.2"
PROBE = "lab.local/probe:1"
CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
DIRECTORY = "usr/share/lab/images"
PROGRAMS = "usr/local/bin"
PROBE_ARCHIVE = "probe.tar"


@dataclass(frozen=True, slots=True)
class KubeImages:
    """A recipe: `server.tar` with all images, `agent.tar` with what every node needs."""

    kubernetes_version: str
    name: str = "images"

    @property
    def needs(self) -> tuple[str, ...]:
        return ("kubernetes", "etcd", "coredns", "pause")

    @property
    def owned_by_root(self) -> bool:
        return False

    def inputs(self) -> Mapping[str, str]:
        return {
            "architecture": architecture(),
            "recipe": RECIPE_VERSION,
            "tags": " ".join((self.kubernetes_version, ETCD, COREDNS, PAUSE, PROBE)),
        }

    def build(self, workshop: Workshop) -> Mapping[str, str]:
        owner = workshop.paths.caller
        output = make_dir(workshop.tree / DIRECTORY, owner=owner)
        pause = pause_image(workshop.needs)
        archives = {
            "agent.tar": (pause,),
            "server.tar": (pause, *server_images(workshop.needs, self.kubernetes_version)),
        }
        packer = Packer(workshop.scratch)
        with workshop.progress.task("Packing container images") as task:
            for done, (name, images) in enumerate(archives.items()):
                task.advance(done, len(archives), name)
                target = output / name
                write_archive(target, images, architecture=architecture(), packer=packer)
                target.chmod(0o644)
                give_to(target, owner)
        return {}


@dataclass(frozen=True, slots=True)
class ProbeImage:
    """A recipe: `probe.tar` alone, for nodes that come with all else."""

    name: str = "probe-image"

    @property
    def needs(self) -> tuple[str, ...]:
        return ("pause",)

    @property
    def owned_by_root(self) -> bool:
        return False

    def inputs(self) -> Mapping[str, str]:
        return {"architecture": architecture(), "recipe": RECIPE_VERSION, "tag": PROBE}

    def build(self, workshop: Workshop) -> Mapping[str, str]:
        target = make_dir(workshop.tree / DIRECTORY, owner=workshop.paths.caller) / PROBE_ARCHIVE
        image = replace(pause_image(workshop.needs), tags=(PROBE,))
        packer = Packer(workshop.scratch)
        write_archive(target, (image,), architecture=architecture(), packer=packer)
        target.chmod(0o644)
        give_to(target, workshop.paths.caller)
        return {}


def pause_image(artifacts: Mapping[str, Artifact]) -> Image:
    layer = Layer(programs={"pause": program(artifacts, "pause")}, links={"probe": "pause"})
    return Image(tags=(PAUSE, PROBE), entrypoint=("/pause",), layers=(layer,))


def server_images(artifacts: Mapping[str, Artifact], version: str) -> tuple[Image, ...]:
    kubernetes = Layer(
        programs={f"{PROGRAMS}/kubernetes": program(artifacts, "kubernetes")},
        links={f"{PROGRAMS}/{component}": "kubernetes" for component in CONTROL_PLANE},
        directories={"tmp": 0o1777},
    )
    etcd = Layer(
        programs={f"{PROGRAMS}/etcd": program(artifacts, "etcd")}, directories={"tmp": 0o1777}
    )
    coredns = Layer(programs={"coredns": program(artifacts, "coredns")})
    tags = tuple(f"{REGISTRY}/{component}:{version}" for component in CONTROL_PLANE)
    return (
        Image(tags=tags, entrypoint=(), layers=(kubernetes,)),
        Image(tags=(ETCD,), entrypoint=(), layers=(etcd,)),
        Image(tags=(COREDNS,), entrypoint=("/coredns",), layers=(coredns,)),
    )


def program(artifacts: Mapping[str, Artifact], name: str) -> Path:
    return artifacts[name].tree / PROGRAMS / name
