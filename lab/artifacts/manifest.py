"""What is in an artifact, and is it still that?

Of programs and archives every file is listed with its digest. A node root has
some ten thousand files, so it is listed by folder (two levels deep): one digest over
what `lstat` says of each entry, which takes milliseconds to compare, and one
over the content. Times count in whole seconds there, since that is what a
bundle keeps of them.
"""

import hashlib
import json
import stat
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from lab.artifacts.recipe import Artifact
from lab.artifacts.system import entries_by_folder
from lab.errors import ArtifactCorrupt

SCHEMA = 1
HASHING_THREADS = 4
SMALL_BYTES = 1 << 16
SHOWN_DIGITS = 16
HINT = "lab artifacts prune --corrupt"


@dataclass(frozen=True, slots=True)
class File:
    sha256: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Folder:
    entries: str
    """Digest over names, kinds, owners, modes, sizes, times and link targets."""
    content: str
    """Digest over the bytes of its files."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What lies in a tree: files and links, or folders of a whole system."""

    size: int
    files: Mapping[str, File] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[str, Folder] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Manifest:
    name: str
    key: str
    architecture: str
    owned_by_root: bool
    inputs: Mapping[str, str]
    needs: Mapping[str, str]
    versions: Mapping[str, str]
    built_at: float
    build_s: float
    contents: Contents
    schema: int = SCHEMA

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def parse_manifest(text: str) -> Manifest:
    """Read what `to_json` wrote; raise ValueError for anything else."""
    try:
        value = json.loads(text)
        if value["schema"] != SCHEMA:
            raise ValueError(f"schema {value['schema']!r} is not {SCHEMA}")
        contents = value.pop("contents")
        files = {path: File(**entry) for path, entry in contents.pop("files").items()}
        folders = {path: Folder(**entry) for path, entry in contents.pop("folders").items()}
        return Manifest(**value, contents=Contents(files=files, folders=folders, **contents))
    except (KeyError, TypeError, AttributeError) as exc:
        raise ValueError(f"no manifest of an artifact: {exc!r}") from exc


def describe(tree: Path, *, owned_by_root: bool) -> Contents:
    return describe_system(tree) if owned_by_root else describe_files(tree)


def describe_files(tree: Path) -> Contents:
    paths = sorted(path for path in tree.rglob("*") if not path.is_dir() or path.is_symlink())
    links = {str(p.relative_to(tree)): str(p.readlink()) for p in paths if p.is_symlink()}
    regular = [path for path in paths if not path.is_symlink()]
    files = {
        str(path.relative_to(tree)): File(digest, path.stat().st_size, path.stat().st_mtime_ns)
        for path, digest in zip(regular, hash_all(regular), strict=True)
    }
    return Contents(sum(file.size for file in files.values()), files=files, links=links)


def describe_system(tree: Path) -> Contents:
    grouped = entries_by_folder(tree)
    files = [e for entries in grouped.values() for e in entries if e.size is not None]
    digests = dict(zip(files, hash_all([tree / file.path for file in files]), strict=True))
    folders = {
        folder: Folder(
            entries=digest_of(entry.text for entry in entries),
            content=digest_of(digests[entry] for entry in entries if entry in digests),
        )
        for folder, entries in grouped.items()
    }
    return Contents(sum(file.size or 0 for file in files), folders=folders)


def check(artifact: Artifact, expected: Contents, *, thorough: bool) -> None:
    """Raise ArtifactCorrupt for the first thing that is not as listed."""
    if not artifact.tree.is_dir():
        raise corrupt(artifact, ".", expected="a directory", found="none")
    if expected.folders:
        check_system(artifact, expected.folders, thorough=thorough)
    else:
        check_links(artifact, expected.links)
        check_files(artifact, expected.files, thorough=thorough)


def check_files(artifact: Artifact, files: Mapping[str, File], *, thorough: bool) -> None:
    suspects = {
        artifact.tree / path: file.sha256
        for path, file in files.items()
        if thorough or is_changed(artifact.tree / path, file)
    }
    for path, digest in suspects.items():
        if not is_regular(path):
            raise corrupt(artifact, path, expected=show(digest), found="no file")
    for path, digest in zip(suspects, hash_all(suspects), strict=True):
        if digest != suspects[path]:
            raise corrupt(artifact, path, expected=show(suspects[path]), found=show(digest))


def check_links(artifact: Artifact, links: Mapping[str, str]) -> None:
    for path, target in links.items():
        link = artifact.tree / path
        found = str(link.readlink()) if link.is_symlink() else "no link"
        if found != target:
            raise corrupt(artifact, path, expected=f"a link to {target}", found=found)


def check_system(artifact: Artifact, folders: Mapping[str, Folder], *, thorough: bool) -> None:
    if thorough:
        found = describe_system(artifact.tree).folders
    else:
        unread = Folder(entries="", content="")
        found = {
            folder: replace(
                folders.get(folder, unread), entries=digest_of(entry.text for entry in entries)
            )
            for folder, entries in entries_by_folder(artifact.tree).items()
        }
    for folder in sorted(folders.keys() | found.keys()):
        before, now = folders.get(folder), found.get(folder)
        if before != now:
            texts = show_folder(before, now), show_folder(now, before)
            raise corrupt(artifact, folder, expected=texts[0], found=texts[1])


def show_folder(folder: Folder | None, other: Folder | None) -> str:
    """Return the digest in which it differs from `other`."""
    if folder is None:
        return "no such folder"
    if other is not None and folder.entries == other.entries:
        return f"content {show(folder.content)}"
    return f"entries {show(folder.entries)}"


def corrupt(artifact: Artifact, path: str | Path, *, expected: str, found: str) -> ArtifactCorrupt:
    where = artifact.tree / path
    return ArtifactCorrupt(f"{where} is damaged: expected {expected}, found {found}", hint=HINT)


def show(digest: str) -> str:
    return f"sha256:{digest[:SHOWN_DIGITS]}"


def is_regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def is_changed(path: Path, file: File) -> bool:
    try:
        found = path.lstat()
    except OSError:
        return True
    return (found.st_size, found.st_mtime_ns) != (file.size, file.mtime_ns)


def hash_all(paths: Iterable[Path]) -> Iterator[str]:
    """Hash files side by side; hashlib lets go of the interpreter while it works."""
    with ThreadPoolExecutor(HASHING_THREADS) as pool:
        return iter(list(pool.map(hash_file, paths)))


def hash_file(path: Path) -> str:
    with path.open("rb", buffering=0) as file:
        # Most files of a system are small, and file_digest allocates for large ones.
        start = file.read(SMALL_BYTES)
        if len(start) < SMALL_BYTES:
            return hashlib.sha256(start).hexdigest()
        file.seek(0)
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode(errors="surrogateescape")).hexdigest()
