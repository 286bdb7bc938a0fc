"""May the k3s that a bundle brings be taken? By the hashes that a release is compared with.

A bundle proves that it is whole, not that its k3s is k3s: whoever made it wrote its manifest. So
what it holds is compared with the lock and with what was seen of that version before, as when a
release is fetched; what neither knows is trusted on first use, and remembered.
"""

from collections.abc import Mapping
from pathlib import Path

from lab.artifacts.k3s import FIRST_SEEN, places
from lab.artifacts.k3s_lock import VERSION, Lock
from lab.artifacts.manifest import Manifest
from lab.errors import BundleInvalid, HostUnfit

NAME = "k3s"
HINT = "do not use that bundle"


def require_known(
    found: Manifest, *, lock: Lock, seen: Mapping[str, str], origin: Path
) -> dict[str, str]:
    """Return file name → SHA-256 of what is trusted on first use.

    `found` has been compared with the content already. `seen` is what is known of its version.
    Raises BundleInvalid for a file that is not the one that lock, memory or its own key mean,
    and for one that no release has.
    """
    version, hashes = version_of(found, origin), _hashes(found, origin)
    locked = lock.hashes if lock.version == version else {}
    in_key = {name: each for name, each in _inputs(found).items() if each != FIRST_SEEN}
    for name, has in hashes.items():
        for known, says in (
            (locked, "the lock says"),
            (seen, "on first use it had"),
            (in_key, "its key says"),
        ):
            if known.get(name, has) != has:
                raise BundleInvalid(
                    f"{origin} holds {name} of k3s {version} with SHA-256 {has}, "
                    f"and {says} {known[name]}",
                    hint=HINT,
                )
    return {name: has for name, has in hashes.items() if name not in {**locked, **seen}}


def version_of(found: Manifest, origin: Path) -> str:
    """Raise BundleInvalid for what is no version of k3s."""
    version = _inputs(found).get("version", "")
    if not VERSION.fullmatch(version):
        raise BundleInvalid(f"{origin} holds a k3s that is none: its version is {version!r}")
    return version


def _hashes(found: Manifest, origin: Path) -> dict[str, str]:
    """Return file name → SHA-256; raise BundleInvalid for other files than a release's own."""
    contents = found.contents
    try:
        expected = places(_inputs(found).get("architecture", ""))
    except HostUnfit as exc:
        raise BundleInvalid(f"{origin} holds a k3s that is none: {exc.message}") from exc
    odd = {*contents.files, *contents.links} ^ {*expected.values()}
    if odd:
        raise BundleInvalid(
            f"{origin} holds a k3s that is none: {min(odd)!r} is missing or too much", hint=HINT
        )
    return {name: contents.files[path].sha256 for name, path in expected.items()}


def _inputs(found: Manifest) -> dict[str, str]:
    """Whoever made the bundle wrote them, so they may be anything that JSON has."""
    return {str(name): str(value) for name, value in dict(found.inputs).items()}
