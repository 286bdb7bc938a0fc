"""What is a cluster of kind made from: the program itself, and the image of its nodes."""

from collections.abc import Mapping
from pathlib import Path

from lab.artifacts.gobuild import GoPrograms
from lab.artifacts.gomodule import read_go_mod
from lab.artifacts.kindnode import KindNode
from lab.artifacts.kubeadm import (
    KUBERNETES_STAMPS,
    MODULES,
    kubeadm_recipes,
    kubernetes_version,
    pause_recipe,
)
from lab.artifacts.kubeimages import DIRECTORY, PROBE_ARCHIVE, ProbeImage
from lab.artifacts.kubeproxy import KubeProxyImage
from lab.artifacts.recipe import Artifact, Recipe

PROGRAM = "kind"


def kind_version() -> str:
    """Return the version that go.mod pins, such as v0.33.0."""
    return read_go_mod(MODULES / "kind").requires["sigs.k8s.io/kind"]


def program_recipe() -> GoPrograms:
    return GoPrograms(PROGRAM, MODULES / "kind", packages=("sigs.k8s.io/kind",))


def guest_recipes() -> tuple[Recipe, ...]:
    """Return what is needed beside a node image of somebody else: kind, and what a check runs."""
    return (program_recipe(), pause_recipe(), ProbeImage())


def probe_archive(artifacts: Mapping[str, Artifact]) -> Path:
    return artifacts["probe-image"].tree / DIRECTORY / PROBE_ARCHIVE


def kind_recipes() -> tuple[Recipe, ...]:
    """Return all recipes; the node image has everything in it that a registry would be asked for.

    crictl is what `kind export logs` runs on a node.
    """
    version = kubernetes_version()
    return (
        *kubeadm_recipes(),
        program_recipe(),
        GoPrograms(
            "cri-tools", MODULES / "cri-tools", packages=("sigs.k8s.io/cri-tools/cmd/crictl",)
        ),
        GoPrograms(
            "kube-proxy",
            MODULES / "kubernetes",
            packages=("k8s.io/kubernetes/cmd/kube-proxy",),
            stamped_from="k8s.io/kubernetes",
            stamps=KUBERNETES_STAMPS,
        ),
        KubeProxyImage(version),
        KindNode(version),
    )
