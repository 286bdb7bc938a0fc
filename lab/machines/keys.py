"""The keys of one lab: who may log in to its nodes, and how its nodes prove who they are.

All are made before the first boot, so no host key is ever trusted on first use.
"""

from dataclasses import dataclass
from pathlib import Path

from lab.files import give_to, make_dir, write_atomic
from lab.machines.commands import run
from lab.machines.topology import Node
from lab.paths import Caller


@dataclass(frozen=True, slots=True)
class Keys:
    """The files in the lab's `keys` directory."""

    directory: Path

    @property
    def login(self) -> Path:
        return self.directory / "login"

    @property
    def known_hosts(self) -> Path:
        return self.directory / "known_hosts"

    def host(self, node: Node) -> Path:
        return self.directory / f"host-{node.name}"

    def are_made(self, nodes: tuple[Node, ...]) -> bool:
        files = (self.login, self.known_hosts, *map(self.host, nodes))
        return all(file.exists() for file in files)

    def authorized(self) -> str:
        return self.login.with_suffix(".pub").read_text()


def make(directory: Path, nodes: tuple[Node, ...], *, owner: Caller) -> Keys:
    """Make what is missing of the login key, a host key a node and `known_hosts`."""
    keys = Keys(make_dir(directory, owner=owner, mode=0o700))
    for file in (keys.login, *map(keys.host, nodes)):
        # ssh-keygen writes the public one last, and asks before it replaces the other.
        if not (file.exists() and file.with_suffix(".pub").exists()):
            file.unlink(missing_ok=True)
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(file)])
            for made in (file, file.with_suffix(".pub")):
                give_to(made, owner)
    lines = [f"{node.address} {_public(keys.host(node))}\n" for node in nodes]
    write_atomic(keys.known_hosts, "".join(lines), owner=owner)
    return keys


def _public(private: Path) -> str:
    """Return type and key, without the comment."""
    return " ".join(private.with_suffix(".pub").read_text().split()[:2])
