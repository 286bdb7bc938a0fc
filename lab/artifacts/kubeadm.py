"""What is a kubeadm cluster made from?"""

from pathlib import Path

from lab.artifacts.gobuild import GoPrograms
from lab.artifacts.gomodule import read_go_mod
from lab.artifacts.kubeimages import KubeImages
from lab.artifacts.noderoot import NodeRoot
from lab.artifacts.recipe import Recipe

MODULES = Path(__file__).with_name("modules")
CNI_PLUGINS = "github.com/containernetworking/plugins/plugins"
KUBERNETES_STAMPS = (
    ("k8s.io/component-base/version.gitVersion", "{version}"),
    ("k8s.io/component-base/version.gitMajor", "{major}"),
    ("k8s.io/component-base/version.gitMinor", "{minor}"),
    ("k8s.io/client-go/pkg/version.gitVersion", "{version}"),
)
CONTAINERD = "github.com/containerd/containerd/v2/cmd"


def kubeadm_recipes() -> tuple[Recipe, ...]:
    """Return all recipes; the node root first, which fails at once where root is missing."""
    return (NodeRoot(), *go_recipes(), KubeImages(kubernetes_version()))


def kubernetes_version() -> str:
    """Return the version that go.mod pins, such as v1.36.3."""
    return read_go_mod(MODULES / "kubernetes").requires["k8s.io/kubernetes"]


def go_recipes() -> tuple[GoPrograms, ...]:
    return (
        GoPrograms(
            "kubernetes",
            MODULES / "kubernetes",
            links=("kubeadm", "kubectl", "kubelet", "kube-proxy"),
            stamped_from="k8s.io/kubernetes",
            stamps=KUBERNETES_STAMPS,
        ),
        GoPrograms(
            "containerd",
            MODULES / "containerd",
            packages=(
                f"{CONTAINERD}/containerd",
                f"{CONTAINERD}/containerd-shim-runc-v2",
                f"{CONTAINERD}/ctr",
            ),
        ),
        GoPrograms(
            "cni",
            MODULES / "cni",
            packages=(
                f"{CNI_PLUGINS}/main/ptp",
                f"{CNI_PLUGINS}/main/loopback",
                f"{CNI_PLUGINS}/ipam/host-local",
                f"{CNI_PLUGINS}/meta/portmap",
            ),
            destination="opt/cni/bin",
        ),
        GoPrograms("etcd", MODULES / "etcd"),
        GoPrograms("coredns", MODULES / "coredns"),
        pause_recipe(),
    )


def pause_recipe() -> GoPrograms:
    return GoPrograms("pause", MODULES / "pause")
