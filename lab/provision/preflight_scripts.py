"""What is run on hosts to look at them: scripts for a POSIX shell's standard input."""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lab.machines.inventory import parse_address
from lab.provision.preflight_facts import DATA, SYSCTLS
from lab.provision.preflight_programs import PROGRAMS
from lab.provision.preflight_theirs import CLAIMED

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class Peer:
    """A node, the address by which the others know it, and a port on which it listens: ssh's."""

    node: str
    address: str
    port: int = 22


def script(distribution: str, *, data: str = "") -> str:
    """Return the script for a node of "k3s" or "kubeadm"; it needs root, and changes nothing.

    `data` is an absolute path, where it is not the distribution's own.
    """
    values = {
        "data": data or DATA[distribution],
        "sysctls": " ".join(SYSCTLS),
        "programs": " ".join(PROGRAMS[distribution]),
        "claimed": " ".join(CLAIMED),
    }
    return _with(values, "preflight.sh")


def neighbour_script(peers: Iterable[Peer]) -> str:
    """Return the script that says whether a host reaches all of these, itself or not among them.

    It ends within about five seconds. Peers whose address is none are left out.
    """
    words = (f"{each.address},{each.port:d}" for each in peers if parse_address(each.address))
    return _with({"peers": " ".join(words)}, "preflight-neighbours.sh")


def _with(values: dict[str, str], name: str) -> str:
    lines = (f"{key}={shlex.quote(value)}\n" for key, value in values.items())
    scripts = ((TEMPLATES / each).read_text() for each in ("preflight-common.sh", name))
    return "".join((*lines, *scripts))
