"""How is it known on a node that an archive of images was imported?

By a stamp that names what it was built from, and only as long as the names are there.
"""

import shlex
from collections.abc import Iterable

from lab.artifacts.recipe import Artifact

STAMPS = "/var/lib/lab/stamps"
LIST = "have=$(ctr --namespace k8s.io images list --quiet)"


def stamp_of(artifact: Artifact, archive: str) -> str:
    return f"{STAMPS}/service-{archive}-{artifact.key}"


def has(stamp: str, names: Iterable[str]) -> str:
    """Return the condition, after `LIST`, that holds on a node with the stamp and all names."""
    have = " && ".join(f'echo "$have" | grep -qxF {shlex.quote(name)}' for name in names)
    return f"test -e {stamp} && {have}"
