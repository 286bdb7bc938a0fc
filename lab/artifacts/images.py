"""Write container images without a registry and without Docker.

An archive in Docker's format is a tar of three kinds of members: layers, one
configuration an image, and a manifest that names them. Layers are stored
uncompressed, since six nodes import them and the disk is local; times are
fixed, everything is root's and members are sorted, so equal files give equal
archives and equal ids. A layer that several images share is stored once.
"""

import hashlib
import io
import json
import os
import stat
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

EPOCH = "1970-01-01T00:00:00Z"
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


# Without equality a layer is itself only, which is what decides whether it is shared.
@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """What one layer adds, by paths in the image without a leading slash."""

    programs: Mapping[str, Path] = field(default_factory=dict)
    """Files with mode 0755."""
    files: Mapping[str, Path] = field(default_factory=dict)
    """Files with mode 0644."""
    links: Mapping[str, str] = field(default_factory=dict)
    directories: Mapping[str, int] = field(default_factory=dict)
    """Directories by path, with their modes; those above anything else need no mention."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image: its layers from the lowest to the highest, and how it is run."""

    tags: tuple[str, ...]
    entrypoint: tuple[str, ...]
    layers: tuple[Layer, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables besides PATH."""
    user: str = ""
    stop_signal: str = ""
    """What asks it to end, where that is not SIGTERM."""


@dataclass(frozen=True, slots=True)
class Packed:
    path: Path
    digest: str


@dataclass(slots=True)
class Packer:
    """Writes each layer into `work` once, for all archives that hold it."""

    work: Path
    packed: dict[Layer, Packed] = field(default_factory=dict)

    def pack(self, layer: Layer) -> Packed:
        if layer not in self.packed:
            path = self.work / f"layer-{len(self.packed)}.tar"
            write_layer(path, layer)
            self.packed[layer] = Packed(path, digest_of(path))
        return self.packed[layer]


def layer_of_tree(tree: Path, *, at: str = "") -> Layer:
    """Return a layer of all that lies below `tree`, put below the path `at`.

    Modes become those that do not depend on anybody's umask: 1777 for directories that
    are for everybody, 0755 for others and for what its owner may execute, 0644 for all else.
    """
    programs, files, links, directories = {}, {}, {}, {}
    for folder, subfolders, names in os.walk(tree):
        for path in (Path(folder, name) for name in (*subfolders, *names)):
            found, place = path.lstat().st_mode, str(Path(at) / path.relative_to(tree))
            if stat.S_ISLNK(found):
                links[place] = str(path.readlink())
            elif stat.S_ISDIR(found):
                directories[place] = 0o1777 if found & stat.S_ISVTX else 0o755
            elif found & stat.S_IXUSR:
                programs[place] = path
            else:
                files[place] = path
    return Layer(programs, files, links, directories)


def write_archive(
    target: Path, images: Iterable[Image], *, architecture: str, packer: Packer
) -> dict[str, str]:
    """Write one archive with all the images; return the id of each by tag.

    An id is `sha256:` and the digest of the image's configuration, which names its layers.
    """
    entries = []
    ids: dict[str, str] = {}
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as archive:
        for image in images:
            layers = [packer.pack(layer) for layer in image.layers]
            digests = [layer.digest for layer in layers]
            config = encode(configuration(image, digests, architecture=architecture))
            digest = hashlib.sha256(config).hexdigest()
            if f"{digest}.json" not in archive.getnames():
                add_bytes(archive, f"{digest}.json", config)
            for layer in layers:
                add_layer(archive, layer)
            entries.append(
                {
                    "Config": f"{digest}.json",
                    "RepoTags": [*image.tags],
                    "Layers": [layer_name(digest) for digest in digests],
                }
            )
            ids |= dict.fromkeys(image.tags, f"sha256:{digest}")
        add_bytes(archive, "manifest.json", encode(entries))
    return ids


def layer_name(digest: str) -> str:
    return f"{digest}/layer.tar"


def add_layer(archive: tarfile.TarFile, layer: Packed) -> None:
    """Add it unless another image of the archive brought it."""
    name = layer_name(layer.digest)
    if name not in archive.getnames():
        add_file(archive, name, layer.path, mode=0o644)


def write_layer(target: Path, layer: Layer) -> None:
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as tar:
        for path, mode in sorted(all_directories(layer).items()):
            tar.addfile(member(path, kind=tarfile.DIRTYPE, mode=mode))
        for path, source in sorted(layer.programs.items()):
            add_file(tar, path, source, mode=0o755)
        for path, source in sorted(layer.files.items()):
            add_file(tar, path, source, mode=0o644)
        for path, link_target in sorted(layer.links.items()):
            link = member(path, kind=tarfile.SYMTYPE, mode=0o777)
            link.linkname = link_target
            tar.addfile(link)


def all_directories(layer: Layer) -> dict[str, int]:
    """Return every directory of the layer, with those above all it holds."""
    held = {*layer.programs, *layer.files, *layer.links, *layer.directories}
    above = {path.rpartition("/")[0] for path in held}
    implied = {str(each): 0o755 for path in map(Path, above) for each in (path, *path.parents)}
    return {path: mode for path, mode in {**implied, **layer.directories}.items() if path != "."}


def configuration(image: Image, layers: Iterable[str], *, architecture: str) -> dict[str, Any]:
    """Return what a runtime reads; `layers` are their digests."""
    diff_ids = [f"sha256:{layer}" for layer in layers]
    return {
        "architecture": architecture,
        "os": "linux",
        "created": EPOCH,
        "config": how_to_run(image),
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [{"created": EPOCH, "created_by": "lab"} for _ in diff_ids],
    }


def how_to_run(image: Image) -> dict[str, Any]:
    environment = {"PATH": SEARCH_PATH, **image.environment}
    optional = {"User": image.user, "StopSignal": image.stop_signal}
    return {
        "Entrypoint": [*image.entrypoint],
        "Env": [f"{name}={value}" for name, value in environment.items()],
        **{key: value for key, value in optional.items() if value},
    }


def add_file(archive: tarfile.TarFile, path: str, source: Path, *, mode: int) -> None:
    entry = member(path, kind=tarfile.REGTYPE, mode=mode)
    entry.size = source.stat().st_size
    with source.open("rb") as file:
        archive.addfile(entry, file)


def add_bytes(archive: tarfile.TarFile, path: str, content: bytes) -> None:
    entry = member(path, kind=tarfile.REGTYPE, mode=0o644)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def member(path: str, *, kind: bytes, mode: int) -> tarfile.TarInfo:
    """Return an entry of root's from the epoch."""
    entry = tarfile.TarInfo(path)
    entry.type, entry.mode = kind, mode
    return entry


def encode(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
