"""Pack an artifact for a host that cannot see the cache: one archive, beside the artifact's tree.

It is made once and goes with the artifact. The archive is the same to the byte wherever it is
made, so that its digest, taken here, is what a host compares with what came.
"""

import gzip
import hashlib
import json
import os
import tarfile
import tempfile
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from lab.artifacts.recipe import Artifact
from lab.errors import ArtifactCorrupt
from lab.files import give_to, says_where_it_is_full, write_atomic
from lab.paths import Caller

# Packing and unpacking are both waited for, and most hosts are near.
LEVEL = 1


@dataclass(frozen=True, slots=True)
class Upload:
    """What a host gets of an artifact.

    `directory` is its name in the cache, here and there; `archive` a path here; `files` are the
    programs and other files in it, relative to its tree, links included.
    """

    directory: str
    archive: str
    sha256: str
    files: tuple[str, ...]


def pack(artifact: Artifact, *, owner: Caller, only: Collection[str] = ()) -> Upload:
    """Return the upload of an artifact, or of the files in `only`; packed now if it was not."""
    chosen = tuple(sorted(only))
    suffix = hashlib.sha256("\n".join(chosen).encode()).hexdigest()[:8] if chosen else "all"
    archive = artifact.path / f"upload-{suffix}.tar.gz"
    note = archive.with_suffix(".json")
    with suppress(OSError, ValueError, TypeError):
        known = Upload(**json.loads(note.read_text()))
        if archive.is_file() and known.archive == str(archive):
            return Upload(known.directory, known.archive, known.sha256, tuple(known.files))
    files = tuple(_files(artifact.tree, chosen))
    digest = _write(archive, artifact.tree, files, owner)
    upload = Upload(artifact.path.name, str(archive), digest, files)
    # Last: an archive without it is packed again.
    write_atomic(note, json.dumps(asdict(upload)), owner=owner)
    return upload


def _files(tree: Path, chosen: tuple[str, ...]) -> Iterator[str]:
    found = sorted(
        str(Path(directory, name).relative_to(tree))
        for directory, _, names in os.walk(tree)
        for name in names
    )
    lacking = set(chosen) - set(found)
    if lacking:
        raise ArtifactCorrupt(f"{tree} has no {', '.join(sorted(lacking))}", hint="lab artifacts")
    yield from (file for file in found if not chosen or file in chosen)


def _write(archive: Path, tree: Path, files: tuple[str, ...], owner: Caller) -> str:
    """Write the archive under its name in one step; return its SHA-256."""
    with says_where_it_is_full(archive):
        descriptor, name = tempfile.mkstemp(dir=archive.parent, prefix=".upload-")
        partial = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as output:
                _pack(output, tree, files)
            with partial.open("rb") as content:
                digest = hashlib.file_digest(content, "sha256").hexdigest()
            give_to(partial, owner)
            partial.replace(archive)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    return digest


def _pack(output: IO[bytes], tree: Path, files: tuple[str, ...]) -> None:
    with (
        gzip.GzipFile("", "wb", LEVEL, output, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        for file in files:
            entry = tar.gettarinfo(tree / file, arcname=f"tree/{file}")
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = "root"
            entry.mtime = 0
            if not entry.isreg():
                tar.addfile(entry)
                continue
            with (tree / file).open("rb") as content:
                tar.addfile(entry, content)
