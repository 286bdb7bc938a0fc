"""Carry artifacts to a host that cannot build them.

A bundle is one tar: `lab-bundle.json` first, which names the artifacts and the
digest of each one's manifest; then per artifact its manifest and its tree. It is
read once, front to back. `lab.artifacts.unbundle` reads it.
"""

import io
import json
import os
import stat
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from lab.artifacts import cache, layout
from lab.artifacts.compression import compressed_by_name
from lab.artifacts.manifest import parse_manifest
from lab.artifacts.recipe import Artifact, Recipe, architecture, digest_text
from lab.files import give_to, require_target, says_where_it_is_full, sync_directory
from lab.paths import Paths
from lab.progress import Progress, Task

SCHEMA = 1
HEAD = "lab-bundle.json"


@dataclass(frozen=True, slots=True)
class Promise:
    """What the head of a bundle says of one artifact."""

    name: str
    key: str
    manifest_sha256: str
    size: int


def export_bundle(
    file: Path, recipes: Sequence[Recipe], *, paths: Paths, progress: Progress
) -> tuple[Artifact, ...]:
    """Write the artifacts of `recipes` to `file`, building what is missing.

    The suffix chooses the compression: `.tar`, `.gz`, `.zst`; any other gets what
    this host does best.
    """
    require_target(file, hint="lab artifacts export lab-bundle.tar")
    artifacts = tuple(cache.ensure(recipes, paths=paths, progress=progress).values())
    with progress.task("Checking artifacts"):
        for artifact in artifacts:
            cache.verify(artifact, thorough=True)
    partial = file.with_name(f".{file.name}.partial")
    with progress.task(f"Writing {file.name}") as task, says_where_it_is_full(file):
        try:
            with compressed_by_name(file, partial) as output:
                write(output, artifacts, task)
            give_to(partial, paths.caller)
            partial.replace(file)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        sync_directory(file.absolute().parent)
    return artifacts


def write(output: IO[bytes], artifacts: Sequence[Artifact], task: Task) -> None:
    promises = [promise(artifact) for artifact in artifacts]
    head = {
        "schema": SCHEMA,
        "architecture": architecture(),
        "artifacts": [asdict(each) for each in promises],
    }
    total, done = sum(each.size for each in promises), 0
    with tarfile.open(fileobj=output, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        add_text(tar, HEAD, json.dumps(head, indent=2))
        for artifact, promised in zip(artifacts, promises, strict=True):
            text = (artifact.path / layout.MANIFEST).read_text()
            add_text(tar, f"{artifact.path.name}/{layout.MANIFEST}", text)
            for path in entries_of(artifact.tree):
                add_path(tar, f"{artifact.path.name}/{path.relative_to(artifact.path)}", path)
            done += promised.size
            task.advance(done, total, artifact.name)


def promise(artifact: Artifact) -> Promise:
    text = (artifact.path / layout.MANIFEST).read_text()
    size = parse_manifest(text).contents.size
    return Promise(artifact.name, artifact.key, digest_text(text), size)


def entries_of(tree: Path) -> Iterator[Path]:
    """Yield the tree and all below it, each directory before what is in it."""
    yield tree
    for directory, folders, files in os.walk(tree):
        folders.sort()
        yield from (Path(directory, name) for name in sorted((*folders, *files)))


def add_text(tar: tarfile.TarFile, name: str, text: str) -> None:
    content = text.encode()
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def add_path(tar: tarfile.TarFile, name: str, path: Path) -> None:
    found = path.lstat()
    entry = tarfile.TarInfo(name)
    entry.mode, entry.uid, entry.gid = stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid
    entry.mtime = int(found.st_mtime)
    if stat.S_ISLNK(found.st_mode):
        entry.type, entry.linkname = tarfile.SYMTYPE, str(path.readlink())
        tar.addfile(entry)
    elif stat.S_ISDIR(found.st_mode):
        entry.type = tarfile.DIRTYPE
        tar.addfile(entry)
    else:
        entry.size = found.st_size
        with path.open("rb") as file:
            tar.addfile(entry, file)
