"""Which k3s, and with which content? The lock file that a change of version goes through.

A hash that is missing is not yet known: then the release's own list of checksums is believed
the first time, which is integrity and not authenticity, and what came is remembered
(`k3s_seen`). `python -m lab.artifacts.k3s_lock VERSION` fills the lock; nothing else writes it.
"""

import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import ArtifactCorrupt, HostUnfit, InvalidValue, LabError

FILE = Path(__file__).with_name("k3s.lock.json")
# Names of the release's files, github.com/k3s-io/k3s/blob/master/install.sh and its releases.
BINARIES = {"amd64": "k3s", "arm64": "k3s-arm64"}
COMMAND = "python -m lab.artifacts.k3s_lock"
VERSION = re.compile(r"v\d+\.\d+\.\d+(-rc\d+)?\+k3s\d+")


@dataclass(frozen=True, slots=True)
class Lock:
    """Version and, by file name, the SHA-256 in hex of what is known."""

    version: str
    hashes: Mapping[str, str]


def binary_file(architecture: str) -> str:
    """Raise HostUnfit for an architecture that k3s has no release for, or lab no lock."""
    try:
        return BINARIES[architecture]
    except KeyError:
        raise HostUnfit(
            f"there is no k3s for {architecture!r}: only {' and '.join(BINARIES)} are known"
        ) from None


def images_file(architecture: str) -> str:
    return f"k3s-airgap-images-{architecture}.tar.zst"


def checksums_file(architecture: str) -> str:
    return f"sha256sum-{architecture}.txt"


def read(file: Path = FILE) -> Lock:
    """Raise ArtifactCorrupt for a lock that is none."""
    try:
        return parse(json.loads(file.read_text()))
    except (ValueError, LookupError, TypeError) as exc:
        raise ArtifactCorrupt(f"{file} is no lock of k3s ({exc})") from exc


def parse(value: Any) -> Lock:
    hashes = {}
    for architecture in BINARIES:
        entry = value[architecture]
        if entry["images_file"] != images_file(architecture):
            raise ValueError(f"images_file of {architecture} is {entry['images_file']!r}")
        for name, key in (
            (binary_file(architecture), "binary_sha256"),
            (images_file(architecture), "images_sha256"),
        ):
            if entry[key] is not None:
                hashes[name] = check_hash(entry[key])
    return Lock(str(value["version"]), hashes)


def check_hash(text: str) -> str:
    if len(text) != 64 or set(text) - set("0123456789abcdef"):
        raise ValueError(f"{text!r} is no SHA-256")
    return text


def parse_checksums(text: str) -> dict[str, str]:
    """Read a release's sha256sum file: a hash and a file name a line.

    Raises ValueError for a hash that is none, and for a file that has two.
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        fields = line.split()
        if len(fields) == 2:
            # sha256sum(1) marks a file that it read as binary with an asterisk.
            name, said = fields[1].removeprefix("*"), check_hash(fields[0])
            if found.setdefault(name, said) != said:
                raise ValueError(f"{name} is listed with {found[name]} and with {said}")
    return found


def render(version: str, checksums: Mapping[str, Mapping[str, str]]) -> str:
    """Return the lock for `version` from architecture → file name → hash."""
    lock: dict[str, Any] = {"version": version}
    for architecture, hashes in checksums.items():
        try:
            lock[architecture] = {
                "binary_sha256": hashes[binary_file(architecture)],
                "images_file": images_file(architecture),
                "images_sha256": hashes[images_file(architecture)],
            }
        except KeyError as exc:
            raise InvalidValue(
                f"the release {version} lists no {exc.args[0]} in {checksums_file(architecture)}",
                hint=f"{COMMAND} VERSION with another one",
            ) from exc
    return json.dumps(lock, indent=2) + "\n"


def update(version: str, ask: Callable[[str], str], file: Path = FILE) -> None:
    """Write the lock for `version`; `ask` returns the text of one of the release's files.

    Raises InvalidValue for what is no version, ArtifactError where a list cannot be had or is
    none; the lock is written when all is known, or not at all.
    """
    if not VERSION.fullmatch(version):
        raise InvalidValue(
            f"{version!r} is no version of k3s", hint=f"{COMMAND} v1.36.3+k3s1, as k3s' tags are"
        )
    checksums = {}
    for each in BINARIES:
        try:
            checksums[each] = parse_checksums(ask(checksums_file(each)))
        except ValueError as exc:
            raise ArtifactCorrupt(
                f"{checksums_file(each)} of {version} is no list of checksums ({exc})"
            ) from exc
    file.write_text(render(version, checksums))


def main(arguments: list[str]) -> int:
    from lab.artifacts.k3s_source import Release

    if len(arguments) != 1:
        sys.stderr.write(f"usage: {COMMAND} VERSION\n")
        return 2
    try:
        update(arguments[0], Release(arguments[0]).text)
    except LabError as exc:
        hint = f"\nHint: {exc.hint}" if exc.hint else ""
        sys.stderr.write(f"Error: {exc.message}{hint}\n")
        return exc.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
