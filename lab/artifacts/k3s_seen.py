"""What did a release hold when it was trusted for the first time?

Kept beside the artifacts and not in them, so that a release that is fetched again, after
`lab artifacts prune`, has to be the same one. The lock makes it needless for what it knows.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from lab.artifacts.k3s_lock import check_hash
from lab.errors import ArtifactCorrupt
from lab.files import write_json
from lab.paths import Paths

NAME = "k3s-first-use.json"


def file(paths: Paths) -> Path:
    return paths.cache / NAME


def read(paths: Paths, version: str) -> dict[str, str]:
    """Return file name → SHA-256 of what was seen of `version`, nothing the first time."""
    return _read_all(paths).get(version, {})


def remember(paths: Paths, version: str, hashes: Mapping[str, str]) -> None:
    """Add what was seen; what is known of other files and versions stays."""
    known = _read_all(paths)
    known[version] = {**known.get(version, {}), **hashes}
    write_json(file(paths), known, owner=paths.caller, mode=0o644)


def _read_all(paths: Paths) -> dict[str, dict[str, str]]:
    try:
        value = json.loads(file(paths).read_text())
        return {
            str(version): {str(name): check_hash(found) for name, found in hashes.items()}
            for version, hashes in value.items()
        }
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError, TypeError) as exc:
        # Taken for empty, it would let anything in.
        raise ArtifactCorrupt(f"{file(paths)} is damaged ({exc})", hint=forget(paths)) from exc


def forget(paths: Paths) -> str:
    """Return the command after which the next release is trusted anew."""
    return f"rm {file(paths)}"
