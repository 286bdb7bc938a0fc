"""How long does it take to build what nodes are made from, and how big is it?"""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.machine import program
from benchmarks.timing import timed
from lab import artifacts
from lab.artifacts import cache, layout
from lab.artifacts.manifest import Manifest
from lab.artifacts.recipe import Artifact
from lab.paths import find_paths
from lab.provision.distribution import choose

_BUILD_BOUND_S = 4 * 3600


def recorded(built: Mapping[str, Artifact]) -> list[Figure]:
    """Return what the manifests say of the builds that made the cache."""
    return figures([cache.read_manifest(artifact) for artifact in built.values()])


def figures(manifests: list[Manifest]) -> list[Figure]:
    parts = [
        Figure(
            f"build {part.name}", "s", (part.build_s,), note=f"{part.contents.size / 1e6:.0f} MB"
        )
        for part in sorted(manifests, key=lambda part: -part.build_s)
    ]
    size = sum(part.contents.size for part in manifests)
    seconds = sum(part.build_s for part in manifests)
    return [*parts, Figure("build everything", "s", (seconds,), note=_megabytes(size))]


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.0f} MB"


def measured() -> list[Figure]:
    """Build everything in an empty cache, which is removed afterwards; takes many minutes."""
    directory = Path(tempfile.mkdtemp(prefix="lab-benchmark-cold-", dir="/var/tmp"))
    environment = {"XDG_CACHE_HOME": str(directory)}
    try:
        done = timed(
            [program("lab"), "artifacts", "build", "--distribution", "kubeadm"],
            env=environment,
            timeout_s=_BUILD_BOUND_S,
        )
        paths = find_paths({**os.environ, **environment})
        built = artifacts.locate(choose("kubeadm").recipes(), paths)
        total = Figure("`lab artifacts build`, nothing cached", "s", (done.seconds,))
        return [*recorded(built), total]
    finally:
        layout.remove_tree(directory)
