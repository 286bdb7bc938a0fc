"""Where are program and images of k3s for a node, and which must they be? As the deploys read it.

Three ways: a sandbox node was booted with them in a layer below its disk; it sees those of another
release in the cache; and a machine of an inventory is sent both from the controller.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Self

from lab.artifacts.k3s import IMAGES, PROGRAM
from lab.artifacts.k3s_lock import images_file
from lab.artifacts.k3sprobe import ARCHIVE
from lab.machines.nspawn import STORE
from lab.provision.phases import STAGE, STAMPS, Parcel


@dataclass(frozen=True, slots=True)
class Files:
    """What was built for the nodes: paths on the controller, and SHA-256 in hex."""

    program: Path
    images: Path
    probe: Path
    program_sha256: str
    images_sha256: str
    probe_sha256: str

    @classmethod
    def of(cls, artifacts: Mapping[str, str], architecture: str) -> Self:
        """Find them in the artifacts k3s and k3sprobe, paths by name."""
        release, probe = (Path(artifacts[name]) / "tree" for name in ("k3s", "k3sprobe"))
        files = (
            release / PROGRAM,
            release / IMAGES / images_file(architecture),
            probe / IMAGES / ARCHIVE,
        )
        return cls(*files, *map(_sha256, files))

    def in_layers(self) -> dict[str, Any]:
        """Return it for a node that was booted with all of it, the probe's image included."""
        on_node = {"images_on_node": f"/{IMAGES}", "images_beside": []}
        return {**self._digests(), "program": "", "images": "", **on_node}

    def in_store(self) -> dict[str, Any]:
        """Return it for a sandbox node that was made with another release."""
        return {
            **self._digests(),
            "program": "",
            "program_on_node": str(_in_store(self.program)),
            "images": "",
            "images_on_node": str(_in_store(self.images).parent),
            "images_beside": [self._beside(on_node=str(_in_store(self.probe).parent))],
        }

    def uploaded(self) -> dict[str, Any]:
        """Return it for a machine that does not see the cache."""
        return {
            **self._digests(),
            "program": str(self.program),
            "program_on_node": "",
            "images": str(self.images),
            "images_on_node": "",
            "images_beside": [self._beside(path=str(self.probe))],
        }

    def parcels(self) -> tuple[Parcel, ...]:
        """Return what a machine is sent that does not see the cache."""
        program = f"echo '{self.program_sha256}  /{PROGRAM}' | sha256sum --check --status"
        images = f"test -e {STAMPS}/k3s-images-{self.images_sha256[:12]}"
        probe = f"test -e {STAMPS}/k3s-beside-{ARCHIVE}-{self.probe_sha256[:12]}"
        staged = f"{STAGE}/k3s.{self.program_sha256}"
        return (
            Parcel(str(self.program), staged, self.program_sha256, program),
            Parcel(str(self.images), f"{STAGE}/{self.images.name}", self.images_sha256, images),
            Parcel(str(self.probe), f"{STAGE}/{ARCHIVE}", self.probe_sha256, probe),
        )

    def _digests(self) -> dict[str, str]:
        return {
            "program_sha256": self.program_sha256,
            "images_name": self.images.name,
            "images_sha256": self.images_sha256,
        }

    def _beside(self, *, path: str = "", on_node: str = "") -> dict[str, str]:
        return {"name": ARCHIVE, "sha256": self.probe_sha256, "path": path, "on_node": on_node}


def _in_store(file: Path) -> PurePath:
    """Return where sandbox nodes see a file of an artifact, ARTIFACT/tree/..."""
    artifact = next(each for each in file.parents if each.name == "tree").parent
    return PurePath(STORE, artifact.name, file.relative_to(artifact))


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
