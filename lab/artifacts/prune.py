"""Give back the disk that artifacts and their builds take, but nothing that a lab uses."""

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from lab.artifacts import cache, layout
from lab.artifacts.recipe import Artifact, Recipe
from lab.errors import ArtifactCorrupt, NotRoot
from lab.files import make_dir
from lab.paths import Paths


class Prune(StrEnum):
    OLD = "old"
    """Artifacts that no recipe leads to any more, and what killed builders left."""
    ALL = "all"
    """Every artifact, and all that builds keep."""
    BUILD = "build"
    """Module and compiler caches and the fetched toolchain; the next build is a cold one."""
    CORRUPT = "corrupt"
    """Artifacts of which a file is not what was built, and nothing else."""


@dataclass(frozen=True, slots=True)
class Pruned:
    removed: tuple[str, ...]
    kept: tuple[str, ...]
    """What would have been removed if no lab used it."""
    freed: int
    """Bytes."""


def prune(
    paths: Paths, *, what: Prune, keep: Collection[Path], recipes: Sequence[Recipe]
) -> Pruned:
    """Remove `what`, except artifacts at or above a path in `keep`."""
    if not paths.cache.is_dir():
        return Pruned((), (), 0)
    with cache.builder_lock(paths, None):
        chosen = choose(paths, what=what, recipes=recipes)
        removed = [each for each in chosen if not is_used(each, keep)]
        require_rights(removed)
        freed = sum(remove(artifact, paths) for artifact in removed)
        if what is not Prune.CORRUPT:
            freed += cache.sweep(paths)
        if what in (Prune.ALL, Prune.BUILD):
            freed += layout.remove_tree(layout.build_caches(paths))
    kept = tuple(each.path.name for each in chosen if is_used(each, keep))
    return Pruned(tuple(each.path.name for each in removed), kept, freed)


def choose(paths: Paths, *, what: Prune, recipes: Sequence[Recipe]) -> list[Artifact]:
    present = layout.present(paths)
    match what:
        case Prune.ALL:
            return [*present]
        case Prune.BUILD:
            return []
        case Prune.CORRUPT:
            return [artifact for artifact in present if is_corrupt(artifact)]
        case Prune.OLD:
            current = {artifact.path for artifact in cache.locate(recipes, paths).values()}
            return [artifact for artifact in present if artifact.path not in current]


def is_used(artifact: Artifact, keep: Collection[Path]) -> bool:
    return any(path.is_relative_to(artifact.path) for path in keep)


def is_corrupt(artifact: Artifact) -> bool:
    try:
        cache.verify(artifact, thorough=True)
    except ArtifactCorrupt:
        return True
    return False


def require_rights(artifacts: Sequence[Artifact]) -> None:
    """Fail before the first removal, since half of a node root would be left."""
    for artifact in artifacts:
        if os.geteuid() != 0 and artifact.tree.exists() and artifact.tree.stat().st_uid == 0:
            raise NotRoot(f"{artifact.path} belongs to root", hint="run the same with sudo")


def remove(artifact: Artifact, paths: Paths) -> int:
    """Take it out of its place in one step, then remove it."""
    layout.refuse_mounted(artifact.path)
    aside = make_dir(layout.partials(paths), owner=paths.caller) / artifact.path.name
    artifact.path.rename(aside)
    return layout.remove_tree(aside)
