"""Steps that a node takes once, and many small files at the price of one.

Each file that pyinfra puts costs several round trips, and each of those a new
process on the node; for six nodes on two cores that was most of the time of a
`lab up`. So a node's files travel as one archive on standard input.
"""

import base64
import hashlib
import io
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pyinfra.api.facts import FactBase
from pyinfra.context import host
from pyinfra.operations import server
from typing_extensions import override

from lab.provision.phases import STAMPS

# What an earlier caller has begun goes on without it. It must be left to end before anything
# is decided: a service restarted under it, or a Node deleted, costs a `kubeadm join` minutes.
SETTLE = "[ ! -e /run/lab/kubeadm.lock ] || flock -w 60 /run/lab/kubeadm.lock true"


@dataclass(frozen=True, slots=True)
class NodeFile:
    """A file for a node, owned by root, or a symbolic link if `target` is given."""

    content: str = ""
    mode: int = 0o644
    target: str = ""


class Stamps(FactBase[list[str]]):
    """The names of the steps that are done on a node and need not be done again."""

    @override
    def command(self) -> str:
        return f"{SETTLE}; ls -1 {STAMPS} 2>/dev/null || true"

    @override
    def process(self, output: Iterable[str]) -> list[str]:
        return [line.strip() for line in output]

    @staticmethod
    @override
    def default() -> list[str]:
        return []


def once(
    name: str,
    *,
    stamp: str,
    command: str,
    stdin: str | None = None,
    kind: str = "",
    again: bool = False,
) -> None:
    """Run `command` unless it has succeeded under this stamp before, or although it has: `again`.

    A stamp of a `kind` takes the place of the one before, so that what is changed and changed
    back is done again. It goes before the command runs: whatever comes of the command, the
    node is no longer as the old stamp says.

    The fact is asked for outside of the operation: inside, pyinfra would hand the
    operation's standard input to the fact's command, which does not read it.
    """
    if stamp in host.get_fact(Stamps) and not again:
        return
    clear = f"rm -f {STAMPS}/{kind}-* && " if kind else ""
    mark = f"mkdir -p {STAMPS} && touch {STAMPS}/{stamp}"
    server.shell(name=name, commands=[f"{clear}{{ {command}\n}} && {mark}"], _stdin=stdin)


def pack(files: Mapping[str, NodeFile]) -> tuple[str, str]:
    """Return an archive of path → file as base64 text, and a digest of all it says."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, file in sorted(files.items()):
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.mode = file.mode
            if file.target:
                entry.type, entry.linkname = tarfile.SYMTYPE, file.target
            content = file.content.encode()
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    data = buffer.getvalue()
    return base64.encodebytes(data).decode(), hashlib.sha256(data).hexdigest()[:12]


def unpack(name: str, files: Mapping[str, NodeFile], *, then: str, kind: str = "") -> str:
    """Write the files, then run a command that makes them count, once for this content.

    Returns the digest of the content.
    """
    archive, digest = pack(files)
    command = f"base64 -d | tar -x -C / --no-same-owner --no-overwrite-dir -f - && {then}"
    once(name, stamp=f"{kind or 'files'}-{digest}", command=command, stdin=archive, kind=kind)
    return digest
