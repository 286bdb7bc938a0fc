"""The one image that lab brings to a k3s node: the probe that tells who reaches whom."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lab.artifacts.images import Packer, write_archive
from lab.artifacts.k3s import IMAGES
from lab.artifacts.kubeimages import pause_image
from lab.artifacts.recipe import Workshop
from lab.artifacts.recipe import architecture as own_architecture
from lab.files import give_to, make_dir

RECIPE_VERSION = "1"
ARCHIVE = "lab-probe.tar"


@dataclass(frozen=True, slots=True)
class K3sProbe:
    """A recipe: an archive that lies beside k3s' own images.

    `architecture` is that of the nodes, and of the program that it is made from.
    """

    architecture: str = field(default_factory=own_architecture)
    name: str = "k3sprobe"
    needs: tuple[str, ...] = ("pause",)
    owned_by_root: bool = False

    def inputs(self) -> Mapping[str, str]:
        return {"architecture": self.architecture, "recipe": RECIPE_VERSION}

    def build(self, workshop: Workshop) -> Mapping[str, str]:
        target = make_dir(workshop.tree / IMAGES, owner=workshop.paths.caller) / ARCHIVE
        with workshop.progress.task("Packing the probe's image"):
            write_archive(
                target,
                (pause_image(workshop.needs),),
                architecture=self.architecture,
                packer=Packer(workshop.scratch),
            )
        target.chmod(0o644)
        give_to(target, workshop.paths.caller)
        return {}
