"""Pack kube-proxy as an image, as kind and kubeadm run it: with iptables in it.

Nodes of the sandbox run it as a service of their own, so only kind's node image has this.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.artifacts.images import Image, Layer, Packer, write_archive
from lab.artifacts.kubeimages import DIRECTORY, REGISTRY
from lab.artifacts.recipe import Workshop, architecture
from lab.files import give_to, make_dir

RECIPE_VERSION = "1"
PROGRAM = "usr/local/bin/kube-proxy"
MULTI = "usr/sbin/xtables-nft-multi"
NAMES = ("iptables", "iptables-save", "iptables-restore")
# What the program is linked with, and its plugins: one of them, libxt_statistic, wants libm, and
# without it every rule fails while the pod is shown as running.
LIBRARIES = ("ld-linux*", "libc.so*", "libm.so*", "libmnl*", "libnftnl*", "libxtables*")
LIBRARY_FOLDERS = ("usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu")


@dataclass(frozen=True, slots=True)
class KubeProxyImage:
    """A recipe: `kube-proxy.tar` with the image that kubeadm's DaemonSet asks for."""

    kubernetes_version: str
    name: str = "kube-proxy-image"

    @property
    def needs(self) -> tuple[str, ...]:
        return ("noderoot", "kube-proxy")

    @property
    def owned_by_root(self) -> bool:
        return False

    def inputs(self) -> Mapping[str, str]:
        parts = (self.kubernetes_version, *LIBRARIES, *NAMES)
        return {
            "architecture": architecture(),
            "recipe": RECIPE_VERSION,
            "parts": " ".join(parts),
        }

    def build(self, workshop: Workshop) -> Mapping[str, str]:
        owner = workshop.paths.caller
        output = make_dir(workshop.tree / DIRECTORY, owner=owner)
        root = workshop.needs["noderoot"].tree
        program = workshop.needs["kube-proxy"].tree / PROGRAM
        image = Image(
            tags=(f"{REGISTRY}/kube-proxy:{self.kubernetes_version}",),
            entrypoint=(),
            layers=(iptables(root), Layer(programs={PROGRAM: program})),
        )
        target = output / "kube-proxy.tar"
        with workshop.progress.task("Packing kube-proxy"):
            packer = Packer(workshop.scratch)
            write_archive(target, (image,), architecture=architecture(), packer=packer)
        target.chmod(0o644)
        give_to(target, owner)
        return {}


def iptables(root: Path) -> Layer:
    """Return iptables of the Debian at `root` with all it loads."""
    programs = {MULTI: root / MULTI}
    programs |= {str(path.relative_to(root)): path.resolve() for path in libraries(root)}
    links = {
        f"usr/sbin/{prefix}{name[2:]}": "xtables-nft-multi"
        for prefix in ("ip", "ip6")
        for name in NAMES
    }
    # The loader's place, which every program names, leads to a library by links of Debian's.
    links |= {name: f"usr/{name}" for name in ("lib", "lib64") if (root / name).is_symlink()}
    links |= {
        f"usr/lib64/{path.name}": f"/{path.relative_to(root)}"
        for path in libraries(root)
        if path.name.startswith("ld-linux")
    }
    return Layer(programs=programs, links=links, directories={"tmp": 0o1777})


def libraries(root: Path) -> Iterator[Path]:
    for folder in (root / each for each in LIBRARY_FOLDERS):
        for pattern in LIBRARIES:
            yield from folder.glob(pattern)
        yield from (folder / "xtables").glob("*.so")
