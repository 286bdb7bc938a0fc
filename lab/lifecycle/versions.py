"""May a lab be upgraded, and which nodes are left?"""

import re
from collections.abc import Iterable, Sequence

from lab.errors import InvalidValue
from lab.kube.nodes import NodeStatus
from lab.machines.topology import Node

Version = tuple[int, int, int, int]
_VERSION = re.compile(r"v(\d+)\.(\d+)\.(\d+)(?:\+k3s(\d+))?")


def parse_version(text: str) -> Version:
    """Read `v1.36.3`, whose last number is 0 here, or `v1.36.3+k3s1`."""
    found = _VERSION.match(text)
    if not found:
        raise InvalidValue(f"{text!r} is no version of Kubernetes")
    major, minor, patch, k3s = found.groups()
    return int(major), int(minor), int(patch), int(k3s or 0)


def is_wanted(present: str, offered: str, *, name: str, can: bool = True) -> bool:
    """Whether a lab of version `present` is to be upgraded to `offered`.

    `can` is whether its distribution knows how. Raises InvalidValue where not, for a step back,
    which etcd's data does not survive, and for one that leaves a minor version out
    (kubernetes.io/releases/version-skew-policy).
    """
    if present == offered:
        return False
    old, new = parse_version(present), parse_version(offered)
    keep = f"lab start --name {name} boots it as it is; lab down --name {name} makes room"
    if not can:
        raise InvalidValue(
            f"lab {name!r} has {present}, and this lab program has {offered}: "
            "there is no upgrade for its distribution yet",
            hint=keep,
        )
    if new < old:
        raise InvalidValue(
            f"lab {name!r} has {present}, and this lab program has {offered}: "
            "a cluster cannot go back",
            hint=keep,
        )
    if new[0] != old[0] or new[1] - old[1] > 1:
        raise InvalidValue(
            f"lab {name!r} has {present}, and this lab program has {offered}: "
            "no minor version may be left out",
            hint=keep,
        )
    return True


def remaining(nodes: Sequence[Node], found: Iterable[NodeStatus], version: str) -> tuple[Node, ...]:
    """Return the nodes that do not have `version` yet, in the order they are upgraded in."""
    done = {node.name for node in found if node.version == version}
    waiting = [node for node in nodes if node.name not in done]
    return tuple(sorted(waiting, key=lambda node: (not node.is_server, node.number)))
