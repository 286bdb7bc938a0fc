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
    """Return the nodes that do not have `version` yet, in the order they are upgraded in.

    Servers come first, and of these one that is there: it does for all what is done once.
    """
    known = {node.name: node for node in found}
    waiting = [n for n in nodes if n.name not in known or known[n.name].version != version]
    return tuple(
        sorted(waiting, key=lambda n: (not n.is_server, not is_there(known.get(n.name)), n.number))
    )


def is_there(found: NodeStatus | None) -> bool:
    """Whether a server answers for itself: Ready, and voting where its Node says that."""
    return found is not None and found.ready and found.votes is not False


def is_first(node: Node, nodes: Sequence[Node], left: Sequence[Node]) -> bool:
    """Whether `node` is the first server of all to be upgraded, when `left` have not been yet.

    kubeadm changes then what is the cluster's, and etcd's data is saved.
    """
    servers = {each for each in nodes if each.is_server}
    return node == left[0] and servers <= set(left)
