"""Build what is missing once, and hand out only what is complete and undamaged."""

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.artifacts import layout, manifest
from lab.artifacts.manifest import Manifest
from lab.artifacts.recipe import (
    Artifact,
    Recipe,
    Workshop,
    architecture,
    in_order,
    keys_of,
)
from lab.errors import ArtifactCorrupt, LabBusy
from lab.files import give_to, make_dir, says_where_it_is_full, sync_directory, write_json
from lab.paths import Caller, Paths
from lab.progress import Progress

LOCK_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Listed:
    """An artifact in the cache as `lab artifacts list` shows it."""

    artifact: Artifact
    size: int
    built_at: float


def ensure(recipes: Sequence[Recipe], *, paths: Paths, progress: Progress) -> dict[str, Artifact]:
    """Return the artifact of each recipe, built now if it is not in the cache."""
    wanted = locate(recipes, paths)
    if not all(map(layout.is_present, wanted.values())):
        with builder_lock(paths, progress):
            build(recipes, wanted, paths=paths, progress=progress)
    for artifact in wanted.values():
        verify(artifact, thorough=False)
    return wanted


def missing(recipes: Sequence[Recipe], paths: Paths) -> list[str]:
    """Return the names of what `ensure` would have to build."""
    wanted = locate(recipes, paths)
    return [name for name, artifact in wanted.items() if not layout.is_present(artifact)]


def verify(artifact: Artifact, *, thorough: bool) -> None:
    """Raise ArtifactCorrupt if a file is not what was built.

    Size and time are compared, and the content of what differs in them;
    `thorough` compares the content of everything.
    """
    manifest.check(artifact, read_manifest(artifact).contents, thorough=thorough)


def list_artifacts(paths: Paths) -> tuple[Listed, ...]:
    """Return all artifacts in the cache, by name, oldest first; damaged manifests count 0 bytes."""
    return tuple(
        sorted(
            map(describe, layout.present(paths)),
            key=lambda each: (each.artifact.name, each.built_at),
        )
    )


def describe(artifact: Artifact) -> Listed:
    try:
        found = read_manifest(artifact)
    except ArtifactCorrupt:
        return Listed(artifact, 0, (artifact.path / layout.MANIFEST).stat().st_mtime)
    return Listed(artifact, found.contents.size, found.built_at)


def locate(recipes: Sequence[Recipe], paths: Paths) -> dict[str, Artifact]:
    """Return where each recipe's artifact is, or will be."""
    return {name: layout.place(name, key, paths=paths) for name, key in keys_of(recipes).items()}


def read_manifest(artifact: Artifact) -> Manifest:
    path = artifact.path / layout.MANIFEST
    try:
        found = manifest.parse_manifest(path.read_text())
    except (OSError, ValueError) as exc:
        raise ArtifactCorrupt(f"{path} cannot be read: {exc}", hint=manifest.HINT) from exc
    if (found.name, found.key) != (artifact.name, artifact.key):
        raise ArtifactCorrupt(
            f"{path} is damaged: expected {artifact.name}-{artifact.key}, "
            f"found {found.name}-{found.key}",
            hint=manifest.HINT,
        )
    return found


@contextmanager
def builder_lock(paths: Paths, progress: Progress | None) -> Iterator[None]:
    """Hold the cache for changes; wait for another holder, or fail if nobody watches."""
    make_dir(paths.cache, owner=paths.caller)
    path = layout.builder_lock(paths)
    with path.open("a") as file:
        give_to(path, paths.caller)
        if not try_lock(file.fileno()):
            if progress is None:
                raise LabBusy(
                    f"another command changes {paths.cache} now", hint="try again when it has ended"
                )
            wait_for_lock(file.fileno(), progress)
        yield


def wait_for_lock(descriptor: int, progress: Progress) -> None:
    with progress.task("Waiting for another command that builds artifacts") as task:
        started = time.monotonic()
        while not try_lock(descriptor):
            task.advance(0, 0, f"{time.monotonic() - started:.0f} s")
            time.sleep(LOCK_POLL_S)


def try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def sweep(paths: Paths) -> int:
    """Remove what builders that were killed left; return the bytes that frees."""
    return layout.remove_tree(layout.partials(paths))


def build(
    recipes: Sequence[Recipe], wanted: dict[str, Artifact], *, paths: Paths, progress: Progress
) -> None:
    """Build, one after the other, what is still missing now that nobody else builds."""
    sweep(paths)
    try:
        for recipe in in_order(recipes):
            artifact = wanted[recipe.name]
            if not layout.is_present(artifact):
                partial = layout.partials(paths) / artifact.path.name
                make_dir(partial, owner=paths.caller)
                fill(recipe, partial, wanted, paths=paths, progress=progress)
                put_into_place(partial, artifact, paths=paths)
    finally:
        sweep(paths)


def fill(
    recipe: Recipe,
    partial: Path,
    wanted: dict[str, Artifact],
    *,
    paths: Paths,
    progress: Progress,
) -> None:
    """Build into `partial`, seal what came out, and describe it."""
    started = time.monotonic()
    owner = Caller(0, 0, Path("/root")) if recipe.owned_by_root else paths.caller
    tree, scratch = (make_dir(partial / name, owner=owner) for name in ("tree", "scratch"))
    needs = {need: wanted[need] for need in recipe.needs}
    with says_where_it_is_full(paths.cache):
        versions = recipe.build(Workshop(paths, progress, tree, scratch, needs))
        layout.remove_tree(scratch)
        if not recipe.owned_by_root:
            settle_owners(tree, paths.caller)
        described = Manifest(
            name=recipe.name,
            key=wanted[recipe.name].key,
            architecture=architecture(),
            owned_by_root=recipe.owned_by_root,
            inputs=recipe.inputs(),
            needs={need: artifact.key for need, artifact in needs.items()},
            versions=versions,
            built_at=time.time(),
            build_s=round(time.monotonic() - started, 1),
            contents=manifest.describe(tree, owned_by_root=recipe.owned_by_root),
        )
    write_json(partial / layout.MANIFEST, described.to_json(), owner=paths.caller, mode=0o644)


def settle_owners(tree: Path, owner: Caller) -> None:
    """Give the tree to the caller, with modes that do not depend on anybody's umask."""
    for path in (tree, *tree.rglob("*")):
        give_to(path, owner)
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)


def put_into_place(partial: Path, artifact: Artifact, *, paths: Paths) -> None:
    """Make `partial` the artifact in one step, when all of it is on the disk."""
    with says_where_it_is_full(paths.cache):
        os.sync()
        make_dir(artifact.path.parent, owner=paths.caller)
        # Without its manifest an artifact counts as not there, but its directory may be.
        layout.remove_tree(artifact.path)
        partial.rename(artifact.path)
        sync_directory(artifact.path.parent)
