"""Where a k3s release comes from: its home, a mirror of that, or a directory of its files."""

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import quote, urlsplit

from lab.artifacts.k3s_lock import checksums_file
from lab.artifacts.recipe import architecture
from lab.errors import ArtifactError, InvalidValue

HOME = "https://github.com/k3s-io/k3s/releases/download"
CHUNK = 1 << 20
ANSWER_BOUND_S = 30.0
REACH_BOUND_S = 2.0
OTHER_WAYS = (
    "lab up --distribution k3s --k3s-dir DIR, or --k3s-mirror URL; lab up --distribution kubeadm"
)

Advance = Callable[[int, int], None]


class Source(Protocol):
    @property
    def place(self) -> str:
        """Return where it is, for people."""
        ...

    def text(self, name: str) -> str:
        """Return a small file of the release."""
        ...

    def copy(self, name: str, target: Path, advance: Advance) -> str:
        """Write a file of the release to `target`; return its SHA-256 in hex."""
        ...


@dataclass(frozen=True, slots=True)
class Release:
    """A release over HTTP; `base` is what stands before the version in every address."""

    version: str
    base: str = HOME

    @property
    def place(self) -> str:
        return f"{self.base.rstrip('/')}/{quote(self.version, safe='')}"

    def text(self, name: str) -> str:
        with self._open(name, ANSWER_BOUND_S) as answer:
            return answer.read(CHUNK).decode(errors="replace")

    def copy(self, name: str, target: Path, advance: Advance) -> str:
        with self._open(name, ANSWER_BOUND_S) as answer, target.open("wb") as file:
            total = int(answer.headers.get("Content-Length") or 0)
            digest, size = copy_hashing(answer, file, total, advance)
        if total and size != total:
            raise ArtifactError(
                f"{self.place}/{name} ended after {size} of {total} bytes", hint="lab up"
            )
        return digest

    def is_reachable(self, within_s: float = REACH_BOUND_S) -> bool:
        """Whether the release answers in time."""
        try:
            with self._open(checksums_file(architecture()), within_s, method="HEAD"):
                return True
        except ArtifactError:
            return False

    @contextmanager
    def _open(
        self, name: str, bound_s: float, method: str = "GET"
    ) -> "Iterator[http.client.HTTPResponse]":
        url = f"{self.place}/{quote(name)}"
        request = urllib.request.Request(url, method=method)  # noqa: S310 - see `mirror`
        try:
            with urllib.request.urlopen(request, timeout=bound_s) as answer:  # noqa: S310
                yield answer
        except (OSError, http.client.HTTPException) as exc:
            if isinstance(exc, urllib.error.HTTPError):
                exc.close()
            raise ArtifactError(f"{url} cannot be had ({_cause(exc)})", hint=OTHER_WAYS) from exc


def mirror(url: str, version: str) -> Release:
    """Return the release at a mirror: `url` is what stands before the version there."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise InvalidValue(
            f"--k3s-mirror is {url!r}, which is no http or https address",
            hint=f"lab up --k3s-mirror {HOME}",
        )
    return Release(version, url)


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory with the release's files under their own names."""

    path: Path

    @property
    def place(self) -> str:
        return str(self.path)

    def text(self, name: str) -> str:
        return self._find(name).read_text()

    def copy(self, name: str, target: Path, advance: Advance) -> str:
        file = self._find(name)
        with file.open("rb") as source, target.open("wb") as sink:
            digest, _ = copy_hashing(source, sink, file.stat().st_size, advance)
        return digest

    def _find(self, name: str) -> Path:
        if not (self.path / name).is_file():
            raise ArtifactError(
                f"there is no {name} in {self.path}",
                hint=f"download it from {HOME}/VERSION/{name}",
            )
        return self.path / name


def copy_hashing(source: BinaryIO, sink: BinaryIO, total: int, advance: Advance) -> tuple[str, int]:
    """Copy all; return the SHA-256 in hex and the number of bytes."""
    digest, size = hashlib.sha256(), 0
    while chunk := source.read(CHUNK):
        sink.write(chunk)
        digest.update(chunk)
        size += len(chunk)
        advance(size, total)
    return digest.hexdigest(), size


def _cause(exc: Exception) -> str:
    if isinstance(exc, urllib.error.HTTPError):
        return f"{exc.code} {exc.reason}"
    return str(getattr(exc, "reason", None) or exc) or type(exc).__name__
