"""Write container images without a registry and without Docker.

An archive in Docker's format is a tar of three kinds of members: layers, one
configuration an image, and a manifest that names them. Layers are stored
uncompressed, since six nodes import them and the disk is local; times are
fixed and members sorted, so equal programs give equal archives and equal ids.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

EPOCH = "1970-01-01T00:00:00Z"
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Image:
    """An image of one layer: programs and links by their path in it."""

    tags: tuple[str, ...]
    entrypoint: tuple[str, ...]
    programs: Mapping[str, Path]
    links: Mapping[str, str] = field(default_factory=dict)
    directories: Mapping[str, int] = field(default_factory=dict)
    """Directories by path, with their modes; those of programs and links need no mention."""


def write_archive(target: Path, images: Iterable[Image], *, architecture: str, work: Path) -> None:
    """Write one archive with all the images; `work` takes their layers meanwhile."""
    entries = []
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as archive:
        for number, image in enumerate(images):
            layer = work / f"layer-{number}.tar"
            write_layer(layer, image)
            digest = digest_of(layer)
            config = encode(configuration(image, digest, architecture=architecture))
            config_name = f"{hashlib.sha256(config).hexdigest()}.json"
            layer_name = f"{digest}/layer.tar"
            add_bytes(archive, config_name, config)
            add_file(archive, layer_name, layer, mode=0o644)
            layer.unlink()
            entries.append(
                {"Config": config_name, "RepoTags": [*image.tags], "Layers": [layer_name]}
            )
        add_bytes(archive, "manifest.json", encode(entries))


def write_layer(target: Path, image: Image) -> None:
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as layer:
        for path, mode in sorted(all_directories(image).items()):
            layer.addfile(member(path, kind=tarfile.DIRTYPE, mode=mode))
        for path, source in sorted(image.programs.items()):
            add_file(layer, path, source, mode=0o755)
        for path, link_target in sorted(image.links.items()):
            link = member(path, kind=tarfile.SYMTYPE, mode=0o777)
            link.linkname = link_target
            layer.addfile(link)


def all_directories(image: Image) -> dict[str, int]:
    """Return every directory of the image, with those above its programs and links."""
    paths = map(Path, (*image.programs, *image.links, *image.directories))
    parents = {str(parent): 0o755 for path in paths for parent in path.parents}
    return {path: mode for path, mode in {**parents, **image.directories}.items() if path != "."}


def configuration(image: Image, layer: str, *, architecture: str) -> dict[str, Any]:
    return {
        "architecture": architecture,
        "os": "linux",
        "created": EPOCH,
        "config": {"Entrypoint": [*image.entrypoint], "Env": [f"PATH={SEARCH_PATH}"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer}"]},
        "history": [{"created": EPOCH, "created_by": "lab"}],
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
