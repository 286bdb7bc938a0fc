"""The k3s release as an artifact: its program and its images, checked before they get a name.

In the cache it is a tree like any other: a lower layer of a sandbox node, and what is uploaded
to hosts of one's own. The content is compared with the lock, where that knows it, and always
with the list of checksums beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.artifacts import k3s_lock
from lab.artifacts.k3s_lock import Lock, binary_file, checksums_file, images_file
from lab.artifacts.k3s_source import Release, Source
from lab.artifacts.recipe import Workshop, architecture
from lab.errors import ArtifactCorrupt, ArtifactError
from lab.files import make_dir

RECIPE_VERSION = "1"
PROGRAM = "usr/local/bin/k3s"
IMAGES = "usr/share/lab/k3s"


@dataclass(frozen=True, slots=True)
class K3sRelease:
    """A recipe: program and images of the locked release, from `source`."""

    lock: Lock
    source: Source
    name: str = "k3s"
    needs: tuple[str, ...] = ()
    owned_by_root: bool = False

    def inputs(self) -> Mapping[str, str]:
        """Where it comes from does not count: it must be the same everywhere."""
        names = (binary_file(architecture()), images_file(architecture()))
        known = {name: self.lock.hashes.get(name, "as first seen") for name in names}
        return {
            "architecture": architecture(),
            "recipe": RECIPE_VERSION,
            "version": self.lock.version,
            **known,
        }

    def build(self, workshop: Workshop) -> Mapping[str, str]:
        arch = architecture()
        owner = workshop.paths.caller
        listed = self._listed(arch)
        program = workshop.tree / PROGRAM
        images = workshop.tree / IMAGES / images_file(arch)
        hashes = {}
        for name, target in ((binary_file(arch), program), (images_file(arch), images)):
            make_dir(target.parent, owner=owner)
            hashes[f"sha256 of {name}"] = self._bring(workshop, name, target, listed)
        program.chmod(0o755)
        return {"k3s": self.lock.version, "from": self.source.place, **hashes}

    def _listed(self, arch: str) -> dict[str, str]:
        """Return the release's own checksums; without them, the lock alone has to know."""
        try:
            return k3s_lock.parse_checksums(self.source.text(checksums_file(arch)))
        except ArtifactError:
            if {binary_file(arch), images_file(arch)} <= self.lock.hashes.keys():
                return {}
            raise
        except ValueError as exc:
            raise ArtifactCorrupt(
                f"{self.source.place}/{checksums_file(arch)} is no list of checksums ({exc})"
            ) from exc

    def _bring(self, workshop: Workshop, name: str, target: Path, listed: Mapping[str, str]) -> str:
        expected = expect(name, self.lock, listed, self.source.place)
        partial = workshop.scratch / name
        first = "" if name in self.lock.hashes else ", trusted on first use"
        with workshop.progress.task(f"Fetching {name} of k3s {self.lock.version}{first}") as task:
            found = self.source.copy(name, partial, lambda done, all_: task.advance(done, all_))
        if found != expected:
            partial.unlink()
            raise ArtifactCorrupt(
                f"{self.source.place}/{name} has SHA-256 {found}, expected {expected}",
                hint="lab up --distribution k3s --k3s-dir DIR with files from another place",
            )
        partial.rename(target)
        return found


def expect(name: str, lock: Lock, listed: Mapping[str, str], place: str) -> str:
    """Return the hash that `name` must have; raise ArtifactCorrupt where lock and list differ."""
    locked, said = lock.hashes.get(name), listed.get(name)
    if locked and said and locked != said:
        raise ArtifactCorrupt(
            f"{place} says that {name} has SHA-256 {said}, and the lock says {locked}",
            hint="do not use that place",
        )
    expected = locked or said
    if not expected:
        raise ArtifactCorrupt(f"nobody says which SHA-256 {name} of {place} must have")
    return expected


@dataclass(frozen=True, slots=True)
class K3sChoice:
    """Which release a user wants: the locked one from its home unless told otherwise."""

    lock: Lock = field(default_factory=k3s_lock.read)
    source: Source | None = None

    def recipe(self) -> K3sRelease:
        return K3sRelease(self.lock, self.source or Release(self.lock.version))
