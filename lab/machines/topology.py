"""Which nodes a lab has, and how they are addressed."""

import ipaddress
import re
from dataclasses import dataclass

from lab.errors import InvalidValue, NoSuchNode

MAX_NODES = 12
SUBNET = ipaddress.ip_network("10.77.0.0/24")
GATEWAY = SUBNET[1]
POD_SUBNET = ipaddress.ip_network("10.244.0.0/16")
SERVICE_SUBNET = ipaddress.ip_network("10.96.0.0/16")
CLUSTER_DNS = SERVICE_SUBNET[10]

# Links are named vb-<id>-n12, and the kernel takes 15 characters.
ID_LENGTH = 4
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,22}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Node:
    """One machine of a lab: `n1` and up, its number is its place in every address."""

    number: int

    @property
    def name(self) -> str:
        return f"n{self.number}"

    @property
    def address(self) -> str:
        return str(SUBNET[10 + self.number])

    @property
    def pod_subnet(self) -> str:
        """Return the /24 of the node's pods, of the lab's 10.244.0.0/16."""
        return str(ipaddress.ip_network((int(POD_SUBNET[0]) + 256 * self.number, 24)))

    @property
    def is_server(self) -> bool:
        return self.number == 1


def make_nodes(count: int) -> tuple[Node, ...]:
    if not 1 <= count <= MAX_NODES:
        raise InvalidValue(
            f"--nodes is {count}, but a lab has 1 to {MAX_NODES} nodes",
            hint=f"lab up --nodes {min(max(count, 1), MAX_NODES)}",
        )
    return tuple(Node(number) for number in range(1, count + 1))


def find_node(nodes: tuple[Node, ...], name: str) -> Node:
    for node in nodes:
        if node.name == name:
            return node
    known = ", ".join(node.name for node in nodes)
    raise NoSuchNode(f"no node {name!r} in this lab; it has {known}", hint="lab status")


def check_lab_name(name: str) -> str:
    """Return `name` if it can name a lab: a DNS label of at most 24 characters."""
    if not is_lab_name(name):
        raise InvalidValue(
            f"{name!r} cannot name a lab: use 1 to 24 lower-case letters, digits and dashes, "
            "with a letter or digit at both ends",
            hint="lab list shows the names in use",
        )
    return name


def is_lab_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None
