"""The k3s release as an artifact: its program and its images, checked before they get a name.

In the cache it is a tree like any other: a lower layer of a sandbox node, and what is uploaded
to hosts of one's own. The content is compared with the lock, where that knows it, else with what
was seen the first time, and always with the list of checksums beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.artifacts import k3s_lock, k3s_seen
from lab.artifacts.k3s_lock import Lock, binary_file, checksums_file, images_file
from lab.artifacts.k3s_source import Release, Source
from lab.artifacts.recipe import Workshop
from lab.artifacts.recipe import architecture as own_architecture
from lab.errors import ArtifactCorrupt, ArtifactError
from lab.files import make_dir

RECIPE_VERSION = "1"
PROGRAM = "usr/local/bin/k3s"
IMAGES = "usr/share/lab/k3s"
FIRST_SEEN = "as first seen"


@dataclass(frozen=True, slots=True)
class K3sRelease:
    """A recipe: program and images of the locked release, from `source`.

    `architecture` is that of the nodes, which are not always machines as this one.
    """

    lock: Lock
    source: Source
    architecture: str = field(default_factory=own_architecture)
    name: str = "k3s"
    needs: tuple[str, ...] = ()
    owned_by_root: bool = False

    def inputs(self) -> Mapping[str, str]:
        """Where it comes from does not count: it must be the same everywhere."""
        known = {name: self.lock.hashes.get(name, FIRST_SEEN) for name in self._names}
        return {
            "architecture": self.architecture,
            "recipe": RECIPE_VERSION,
            "version": self.lock.version,
            **known,
        }

    def build(self, workshop: Workshop) -> Mapping[str, str]:
        targets = {name: workshop.tree / path for name, path in places(self.architecture).items()}
        expected = self._expected(workshop)
        for name, target in targets.items():
            make_dir(target.parent, owner=workshop.paths.caller)
            self._bring(workshop, name, target, expected[name])
        (workshop.tree / PROGRAM).chmod(0o755)
        first = {name: each for name, each in expected.items() if name not in self.lock.hashes}
        if first:
            k3s_seen.remember(workshop.paths, self.lock.version, first)
        hashes = {f"sha256 of {name}": each for name, each in expected.items()}
        return {"k3s": self.lock.version, "from": self.source.place, **hashes}

    def lack(self) -> str:
        """Return in a line why it cannot be made from its source, as far as can be told soon."""
        known = set(self._names) <= self.lock.hashes.keys()
        lists = () if known else (checksums_file(self.architecture),)
        return self.source.lack((*lists, *self._names))

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(places(self.architecture))

    def _expected(self, workshop: Workshop) -> dict[str, str]:
        """Return file name → SHA-256, agreed on before the first byte of either is fetched."""
        names = self._names
        seen = k3s_seen.read(workshop.paths, self.lock.version)
        known = {**seen, **self.lock.hashes}
        self._require_a_way_to_trust([name for name in names if name not in known])
        listed = self._listed()
        expected = {name: expect(name, self.lock, listed, self.source.place) for name in names}
        for name in names:
            if known.get(name, expected[name]) != expected[name]:
                raise ArtifactCorrupt(
                    f"{self.source.place} says that {name} has SHA-256 {expected[name]}, "
                    f"and on first use it had {known[name]}",
                    hint=f"do not use that place; {k3s_seen.forget(workshop.paths)} to trust anew",
                )
        return expected

    def _require_a_way_to_trust(self, unknown: list[str]) -> None:
        """Raise where others can write to the way: there the release's own list proves nothing."""
        if unknown and not self.source.keeps_content:
            raise ArtifactError(
                f"{self.source.place} is plain http, and the lock does not know "
                f"which SHA-256 {' and '.join(unknown)} must have",
                hint="lab up --k3s-mirror https://..., or --k3s-dir DIR",
            )

    def _listed(self) -> dict[str, str]:
        """Return the release's own checksums; without them, the lock alone has to know."""
        file = checksums_file(self.architecture)
        try:
            return k3s_lock.parse_checksums(self.source.text(file))
        except ArtifactError:
            if set(self._names) <= self.lock.hashes.keys():
                return {}
            raise
        except ValueError as exc:
            raise ArtifactCorrupt(
                f"{self.source.place}/{file} is no list of checksums ({exc})"
            ) from exc

    def _bring(self, workshop: Workshop, name: str, target: Path, expected: str) -> None:
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
        # Not what somebody's umask makes of it.
        target.chmod(0o644)


def places(architecture: str) -> dict[str, str]:
    """Return where in the artifact's tree a file of the release is, by its name there."""
    images = images_file(architecture)
    return {binary_file(architecture): PROGRAM, images: f"{IMAGES}/{images}"}


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
        raise ArtifactCorrupt(
            f"{place} lists no SHA-256 of {name}, and the lock does not know it",
            hint=f"lab up --distribution k3s --k3s-dir DIR with {name} in DIR/sha256sum-ARCH.txt",
        )
    return expected


@dataclass(frozen=True, slots=True)
class K3sChoice:
    """Which release a user wants: the locked one from its home unless told otherwise."""

    lock: Lock = field(default_factory=k3s_lock.read)
    source: Source | None = None

    def recipe(self, architecture: str | None = None) -> K3sRelease:
        """Return the recipe for nodes of this architecture; without one, of the controller's."""
        source = self.source or Release(self.lock.version)
        return K3sRelease(self.lock, source, architecture or own_architecture())
