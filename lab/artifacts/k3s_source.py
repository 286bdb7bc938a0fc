"""Where a k3s release comes from: its home, a mirror of that, or a directory of its files."""

import hashlib
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import quote, urlsplit

from lab.artifacts import k3s_http
from lab.artifacts.k3s_http import CHUNK, OTHER_WAYS, keeps_content
from lab.artifacts.k3s_lock import checksums_file
from lab.artifacts.recipe import architecture
from lab.errors import ArtifactError, InvalidValue

__all__ = ["OTHER_WAYS", "Directory", "Release", "Source", "mirror"]

HOME = "https://github.com/k3s-io/k3s/releases/download"
ANSWER_BOUND_S = 30.0
REACH_BOUND_S = 2.0

Advance = Callable[[int, int], None]


class Source(Protocol):
    @property
    def place(self) -> str:
        """Return where it is, for people."""
        ...

    @property
    def keeps_content(self) -> bool:
        """Whether nobody between it and here can change what comes."""
        ...

    def lack(self, names: Sequence[str]) -> str:
        """Return in a line why these files cannot be had there; "" as far as can be told soon."""
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

    @property
    def keeps_content(self) -> bool:
        return keeps_content(self.base)

    def text(self, name: str) -> str:
        content = BytesIO()
        self._receive(name, content, lambda done, total: None)
        return content.getvalue().decode(errors="replace")

    def copy(self, name: str, target: Path, advance: Advance) -> str:
        with target.open("wb") as file:
            return self._receive(name, file, advance)

    def _receive(self, name: str, sink: BinaryIO, advance: Advance) -> str:
        url = self._url(name)
        with k3s_http.request(url, ANSWER_BOUND_S) as answer:
            total = answer.length or 0
            return copy_hashing(k3s_http.chunks(answer, url), sink, total, advance)

    def _url(self, name: str) -> str:
        return f"{self.place}/{quote(name)}"

    def is_reachable(self, within_s: float = REACH_BOUND_S) -> bool:
        """Whether the release answers in time."""
        return not self.trouble(within_s)

    def lack(self, names: Sequence[str]) -> str:
        """Ask for the first of them only: who has that has the others."""
        return self._trouble_with(names[0], ANSWER_BOUND_S)

    def trouble(self, within_s: float = REACH_BOUND_S) -> str:
        """Return in a line why the release cannot be had, with its address; "" if it can."""
        return self._trouble_with(checksums_file(architecture()), within_s)

    def _trouble_with(self, name: str, within_s: float) -> str:
        """Return why a file cannot be had.

        The bound is on all of it: a thread asks, since looking up a name cannot be given
        one, and a place that answers a byte at a time would prolong the one of a socket.
        """
        url = self._url(name)
        found = [f"{url} does not answer within {within_s:g} s"]
        thread = threading.Thread(target=_ask, args=(url, within_s, found), daemon=True)
        thread.start()
        thread.join(within_s)
        return found[-1]


def _ask(url: str, within_s: float, found: list[str]) -> None:
    try:
        with k3s_http.request(url, within_s, method="HEAD"):
            found.append("")
    except ArtifactError as exc:
        found.append(exc.message)


def mirror(url: str, version: str) -> Release:
    """Return the release at a mirror: `url` is what stands before the version there.

    Plain http is taken too, but then the lock has to know the content (`K3sRelease`).
    Raises InvalidValue for another kind of address, and for one that may hold a secret,
    without repeating it: an address is shown, and kept with what came from it.
    """
    hint = f"lab up --k3s-mirror {HOME}"
    if set("@?#") & set(url):
        raise InvalidValue(
            "--k3s-mirror is no plain address: no user, password, ? or # may be in it", hint=hint
        )
    if not _is_web_address(url):
        raise InvalidValue(f"--k3s-mirror is {url!r}, which is no http or https address", hint=hint)
    return Release(version, url)


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory with the release's files under their own names."""

    path: Path

    @property
    def place(self) -> str:
        return str(self.path)

    @property
    def keeps_content(self) -> bool:
        return True

    def lack(self, names: Sequence[str]) -> str:
        missing = [name for name in names if not (self.path / name).is_file()]
        return f"there is no {', no '.join(missing)} in {self.path}" if missing else ""

    def text(self, name: str) -> str:
        return self._find(name).read_text()

    def copy(self, name: str, target: Path, advance: Advance) -> str:
        file = self._find(name)
        with file.open("rb") as source, target.open("wb") as sink:
            read = partial(source.read, CHUNK)
            return copy_hashing(iter(read, b""), sink, file.stat().st_size, advance)

    def _find(self, name: str) -> Path:
        if not (self.path / name).is_file():
            raise ArtifactError(
                f"there is no {name} in {self.path}",
                hint=f"download it from {HOME}/VERSION/{name}",
            )
        return self.path / name


def copy_hashing(chunks: Iterable[bytes], sink: BinaryIO, total: int, advance: Advance) -> str:
    """Write all; return the SHA-256 in hex."""
    digest, size = hashlib.sha256(), 0
    for chunk in chunks:
        sink.write(chunk)
        digest.update(chunk)
        size += len(chunk)
        advance(size, total)
    return digest.hexdigest()
