"""The k3s stand-in as large as a release of k3s, and nodes to put it on.

The stand-in of tests/k3s is no k3s: what is measured with it is what lab does to nodes.
"""

import hashlib
import os
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from typing_extensions import override

from benchmarks.lab_command import NAME
from lab import artifacts
from lab.artifacts import layout
from lab.artifacts.k3s import K3sChoice
from lab.artifacts.k3s_lock import binary_file, checksums_file, images_file
from lab.artifacts.k3s_source import Directory
from lab.artifacts.recipe import architecture
from lab.errors import ArtifactError, ToolMissing
from lab.lifecycle.bounds import BOUNDS
from lab.lifecycle.cluster import Cluster
from lab.lifecycle.down import down
from lab.lifecycle.lab import Lab
from lab.lifecycle.making import boot, create, prepare_host
from lab.lifecycle.plan import Done
from lab.machines.topology import Node
from lab.paths import Paths
from lab.progress import Silent
from lab.provision.distribution import Settings
from lab.provision.k3s_phases import K3s
from tests.k3s.build import build, go_is_here, lock_of

STAND_IN = "the k3s stand-in, which is no k3s"
MB = 10**6
# k3s' program has some 75 MB. Its images have 200; half of that shows as much.
PROGRAM_SIZE = 75 * MB
IMAGES_SIZE = 100 * MB


@dataclass(frozen=True, slots=True)
class Bare(K3s):
    """k3s for nodes that have nothing of it until it is sent to them."""

    @override
    def layers(self, trees: Mapping[str, Path]) -> tuple[Path, ...]:
        return (trees["noderoot"],)


def with_own_cache(paths: Paths, directory: Path) -> Paths:
    """Return paths with a cache in `directory`, which has what was built and goes with it.

    Whatever ends the benchmark, no release of the stand-in is left in the caller's cache.
    """
    own = replace(paths, cache=directory / "cache")
    layout.artifacts(own).mkdir(parents=True)
    for each in layout.present(paths):
        (layout.artifacts(own) / each.path.name).symlink_to(each.path)
    return own


def make_release(directory: Path) -> K3sChoice:
    """Make a release of which the program is the stand-in, and return the choice of it.

    Raises ToolMissing where a Go to build it would have to be fetched.
    """
    if not go_is_here():
        raise ToolMissing("there is no Go to build the stand-in with", hint="sudo lab doctor")
    version = K3sChoice().lock.version
    directory.mkdir()
    build(version, directory / binary_file(architecture()))
    fill_release(directory, program_size=PROGRAM_SIZE, images_size=IMAGES_SIZE)
    return K3sChoice(lock_of(directory, version), Directory(directory))


def fill_release(directory: Path, *, program_size: int, images_size: int) -> None:
    """Make the program as many bytes as said, and put images and checksums beside it.

    What is added is random, so that nothing on its way makes it smaller.
    """
    names = (binary_file(architecture()), images_file(architecture()))
    executable, images = files = [directory / name for name in names]
    with executable.open("ab") as file:
        # What follows the last segment of an ELF program is never loaded.
        file.write(os.urandom(max(0, program_size - executable.stat().st_size)))
    with tarfile.open(images, "w") as archive, Path("/dev/urandom").open("rb") as noise:
        entry = tarfile.TarInfo("layer")
        entry.size = images_size
        archive.addfile(entry, noise)
    lines = [f"{hashlib.sha256(each.read_bytes()).hexdigest()}  {each.name}\n" for each in files]
    (directory / checksums_file(architecture())).write_text("".join(lines))


def fill_cache(paths: Paths, k3s: K3s) -> None:
    """Put the release into the cache; raise ArtifactError where a build would take minutes."""
    missing = set(artifacts.missing(k3s.recipes(), paths)) - {"k3s", "k3sprobe"}
    if missing:
        raise ArtifactError(
            f"not in the cache: {', '.join(sorted(missing))}",
            hint="sudo lab artifacts build --distribution kubeadm",
        )
    artifacts.ensure(k3s.recipes(), paths=paths, progress=Silent())


@contextmanager
def new_lab(paths: Paths, k3s: K3s, nodes: tuple[Node, ...]) -> Iterator[Lab]:
    """Make a lab of nodes that are not booted yet; take it down at the end.

    After a failure that is left to the workplace, which also does it when interrupted.
    """
    lab = create(paths, NAME, nodes, k3s, Silent(), Done(), hosts={})
    prepare_host(lab, Silent(), Done())
    yield lab
    down(paths, NAME, progress=Silent())


def boot_all(lab: Lab, k3s: K3s) -> None:
    boot(lab, k3s, BOUNDS, Silent(), Done())


def settings_of(lab: Lab, k3s: K3s) -> Settings:
    return Cluster(lab, k3s, BOUNDS, Silent(), Done()).settings()
