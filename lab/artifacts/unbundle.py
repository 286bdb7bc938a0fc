"""Take artifacts from a bundle that may be damaged, or made by somebody with bad intent.

Nothing of it is put into place before all of it has been unpacked beside the
artifacts and compared, file by file, with the manifests. What a bundle may hold
is narrow on purpose: regular files, directories and links, each once, each below
a directory that the bundle itself brought. So no entry can be written through a
link, and there is no need to resolve any. A bundle's programs are still run
as root in the nodes: checksums prove that it is whole, not who made it.
"""

import gzip
import json
import os
import posixpath
import re
import shutil
import stat
import tarfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from lab.artifacts import cache, k3s_bundle, k3s_lock, k3s_seen, layout, manifest
from lab.artifacts.bundle import HEAD, SCHEMA, Promise
from lab.artifacts.compression import decompressed
from lab.artifacts.manifest import Manifest, parse_manifest
from lab.artifacts.recipe import Artifact, architecture, digest_text, key_for
from lab.errors import ArtifactCorrupt, BundleInvalid, NotRoot
from lab.files import give_to, make_dir, says_where_it_is_full
from lab.paths import Caller, Paths
from lab.progress import Progress, Task

MAX_JSON_BYTES = 16 << 20
COPY_BYTES = 1 << 20
RAISES_PRIVILEGES = stat.S_ISUID | stat.S_ISGID
NAME = re.compile(r"[a-z][a-z0-9]{0,31}")
KEY = re.compile(r"[0-9a-f]{12}")


def import_bundle(file: Path, *, paths: Paths, progress: Progress) -> tuple[Artifact, ...]:
    """Put the artifacts of a bundle into the cache: all of them, or none."""
    if not file.is_file():
        raise BundleInvalid(f"there is no bundle {file}")
    with cache.builder_lock(paths, progress):
        cache.sweep(paths)
        try:
            with progress.task(f"Reading {file.name}") as task, says_where_it_is_full(paths.cache):
                incoming = unpack(file, paths, task)
            with progress.task("Checking artifacts"):
                for each in incoming:
                    each.compare()
                first_use = releases_of_first_use(incoming, paths)
            # Before it has a place: a release that was taken and forgotten could be exchanged.
            for version, hashes in first_use.items():
                with progress.task(f"Taking k3s {version}, trusted on first use"):
                    k3s_seen.remember(paths, version, hashes)
            return tuple(place(each, paths) for each in incoming)
        finally:
            cache.sweep(paths)


def releases_of_first_use(incoming: list["Incoming"], paths: Paths) -> dict[str, dict[str, str]]:
    """Return k3s version → hashes that nobody knew; raise BundleInvalid for one that is not it."""
    lock = k3s_lock.read()
    trusted: dict[str, dict[str, str]] = {}
    for each in incoming:
        if each.manifest and each.manifest.name == k3s_bundle.NAME:
            version = k3s_bundle.version_of(each.manifest, each.file)
            seen = k3s_seen.read(paths, version) | trusted.get(version, {})
            first = k3s_bundle.require_known(each.manifest, lock=lock, seen=seen, origin=each.file)
            trusted[version] = {**trusted.get(version, {}), **first}
    return {version: hashes for version, hashes in trusted.items() if hashes}


def unpack(file: Path, paths: Paths, task: Task) -> list["Incoming"]:
    try:
        with (
            decompressed(file) as stream,
            tarfile.open(fileobj=stream, mode="r|", errorlevel=2) as tar,
        ):
            return unpack_members(tar, file, paths, task)
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, ValueError) as exc:
        raise BundleInvalid(f"{file} is not a complete bundle: {exc}") from exc


def unpack_members(tar: tarfile.TarFile, file: Path, paths: Paths, task: Task) -> list["Incoming"]:
    base = make_dir(layout.partials(paths), owner=paths.caller)
    incoming = {
        name: Incoming(file, promised, base / name, paths.caller)
        for name, promised in read_head(tar, file).items()
    }
    total, done = sum(each.promised.size for each in incoming.values()), 0
    for entry in iter(tar.next, None):
        first, _, rest = entry.name.partition("/")
        if first not in incoming or not is_plain(entry.name):
            raise BundleInvalid(f"{file} holds {entry.name!r}, which belongs to no artifact in it")
        incoming[first].take(tar, entry, rest)
        done += entry.size
        task.advance(min(done, total), total, first)
    return [*incoming.values()]


def is_plain(name: str) -> bool:
    """Whether it is a relative path that names each step downwards, once."""
    return posixpath.normpath(name) == name and not name.startswith(("/", ".."))


def read_head(tar: tarfile.TarFile, file: Path) -> dict[str, Promise]:
    """Return what the bundle promises, by directory."""
    first = tar.next()
    if first is None or first.name != HEAD:
        raise BundleInvalid(f"{file} does not begin with {HEAD}")
    head = json.loads(read_text(tar, first))
    if not isinstance(head, dict) or head.get("schema") != SCHEMA:
        raise BundleInvalid(f"{file} is of a kind that this version of lab does not read")
    found = head.get("architecture")
    if found != architecture():
        raise BundleInvalid(f"{file} is for {found!r}, and this host is {architecture()!r}")
    try:
        promises = [Promise(**each) for each in head["artifacts"]]
        valid = all(NAME.fullmatch(p.name) and KEY.fullmatch(p.key) for p in promises)
    except (KeyError, TypeError) as exc:
        raise BundleInvalid(f"{file} has a damaged {HEAD}: {exc}") from exc
    if not valid:
        raise BundleInvalid(f"{file} has a damaged {HEAD}: no artifact can be called that")
    return {f"{each.name}-{each.key}": each for each in promises}


def read_text(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> str:
    source = tar.extractfile(entry) if entry.isreg() and entry.size <= MAX_JSON_BYTES else None
    if source is None:
        raise BundleInvalid(f"{entry.name} in the bundle is no file of a credible size")
    return source.read().decode()


@dataclass(slots=True)
class Incoming:
    """An artifact that is being unpacked from `file` into `partial`."""

    file: Path
    promised: Promise
    partial: Path
    owner: Caller
    manifest: Manifest | None = None
    directories: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)

    def take(self, tar: tarfile.TarFile, entry: tarfile.TarInfo, path: str) -> None:
        """Write one member to its `path` below `partial`."""
        if path in self.seen:
            raise self.refused(entry, "twice")
        self.seen.add(path)
        if path == layout.MANIFEST:
            self.accept_manifest(read_text(tar, entry))
            return
        if self.manifest is None:
            raise self.refused(entry, "before its manifest")
        if path != "tree" and posixpath.dirname(path) not in self.directories:
            raise self.refused(entry, "but not the directory it is in")
        if entry.mode & RAISES_PRIVILEGES and not entry.isdir():
            raise self.refused(entry, "which would raise privileges")
        self.write(tar, entry, path)
        self.settle(entry, path, self.manifest)

    def accept_manifest(self, text: str) -> None:
        promised, digest = self.promised, digest_text(text)
        if digest != promised.manifest_sha256:
            expected = manifest.show(promised.manifest_sha256)
            raise BundleInvalid(
                f"{self.file} is damaged: expected {expected} of the manifest of "
                f"{promised.name}, found {manifest.show(digest)}"
            )
        found = parse_manifest(text)
        key = key_for(found.name, inputs=found.inputs, needs=found.needs)
        if (found.name, found.key, key) != (promised.name, promised.key, promised.key):
            raise BundleInvalid(f"{self.file} holds {found.name} under a key that is not its own")
        if found.architecture != architecture():
            raise BundleInvalid(f"{found.name} in {self.file} is for {found.architecture!r}")
        if found.owned_by_root and os.geteuid() != 0:
            raise NotRoot(
                f"{found.name} can only be imported as root", hint="run the same with sudo"
            )
        make_dir(self.partial, owner=self.owner)
        target = self.partial / layout.MANIFEST
        target.write_text(text)
        target.chmod(0o644)
        give_to(target, self.owner)
        self.manifest = found

    def write(self, tar: tarfile.TarFile, entry: tarfile.TarInfo, path: str) -> None:
        target = self.partial / path
        if entry.isdir():
            target.mkdir()
            self.directories.add(path)
        elif path == "tree":
            raise self.refused(entry, "which is not a directory")
        elif entry.issym():
            self.refuse_escape(entry, path)
            target.symlink_to(entry.linkname)
        elif entry.isreg() and (source := tar.extractfile(entry)):
            with target.open("xb") as output:
                shutil.copyfileobj(source, output, COPY_BYTES)
        else:
            raise self.refused(entry, "which is no file, directory or link")

    def refuse_escape(self, entry: tarfile.TarInfo, path: str) -> None:
        """Links of a whole system mean its own root; those of programs must stay beside them."""
        assert self.manifest is not None
        inside = posixpath.normpath(posixpath.join(posixpath.dirname(path), entry.linkname))
        if not self.manifest.owned_by_root and not inside.startswith("tree/"):
            raise self.refused(entry, f"a link to {entry.linkname!r} outside of it")

    def settle(self, entry: tarfile.TarInfo, path: str, found: Manifest) -> None:
        """Give owner, mode and time: the recorded ones in a whole system, else the caller's."""
        target = self.partial / path
        if found.owned_by_root:
            os.chown(target, entry.uid, entry.gid, follow_symlinks=False)
        else:
            give_to(target, self.owner)
        if entry.issym():
            return
        plain = 0o755 if entry.isdir() or entry.mode & stat.S_IXUSR else 0o644
        target.chmod(stat.S_IMODE(entry.mode) if found.owned_by_root else plain)
        listed = found.contents.files.get(path.removeprefix("tree/"))
        time_ns = listed.mtime_ns if listed else int(entry.mtime) * 10**9
        os.utime(target, ns=(time_ns, time_ns))

    def compare(self) -> None:
        """Raise BundleInvalid unless the tree is exactly what its manifest lists."""
        if self.manifest is None or "tree" not in self.directories:
            raise BundleInvalid(f"{self.file} is not complete: {self.promised.name} is missing")
        expected = self.manifest.contents
        here = Artifact(self.promised.name, self.promised.key, self.partial)
        try:
            manifest.check(here, expected, thorough=True)
        except ArtifactCorrupt as exc:
            raise BundleInvalid(f"{self.file} is damaged: {exc.message}") from exc
        if not self.manifest.owned_by_root:
            listed = {f"tree/{path}" for path in (*expected.files, *expected.links)}
            extra = self.seen - self.directories - listed - {layout.MANIFEST}
            if extra:
                raise BundleInvalid(f"{self.file} holds {min(extra)!r}, which nothing lists")

    def refused(self, entry: tarfile.TarInfo, why: str) -> BundleInvalid:
        return BundleInvalid(f"{self.file} holds {entry.name!r}, {why}")


def place(incoming: Incoming, paths: Paths) -> Artifact:
    """Make it an artifact, unless an undamaged one is there already."""
    promised = incoming.promised
    artifact = layout.place(promised.name, promised.key, paths=paths)
    if layout.is_present(artifact):
        try:
            cache.verify(artifact, thorough=True)
        except ArtifactCorrupt:
            layout.remove_tree(artifact.path)
        else:
            return artifact
    cache.put_into_place(incoming.partial, artifact, paths=paths)
    return artifact
