"""Which nodes a lab has, and how they are addressed."""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from lab.errors import InvalidValue, NoSuchNode

MAX_NODES = 12
SUBNET = ipaddress.ip_network("10.77.0.0/24")
GATEWAY = SUBNET[1]
POD_SUBNET = ipaddress.ip_network("10.244.0.0/16")
SERVICE_SUBNET = ipaddress.ip_network("10.96.0.0/16")
CLUSTER_DNS = SERVICE_SUBNET[10]
# The name by which every node finds the servers, whichever of them answers.
API_NAME = "lab-api"
API_PORT = 6443
SERVER_COUNTS = (1, 3)
# The node that holds the data, where it is no server or there are no others.
DATA_NUMBER = 2

# Links are named vb-<id>-n12, and the kernel takes 15 characters.
ID_LENGTH = 4
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,22}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Node:
    """One machine of a lab: `n1` and up, its number is its place in every address.

    A machine that lab did not make has a name and an address of its own, `called` and `at`.
    """

    number: int
    is_server: bool = field(default=False, compare=False)
    called: str = field(default="", compare=False)
    at: str = field(default="", compare=False)

    @property
    def name(self) -> str:
        return self.called or f"n{self.number}"

    @property
    def address(self) -> str:
        return self.at or str(SUBNET[10 + self.number])

    @property
    def pod_subnet(self) -> str:
        """Return the /24 of the node's pods, of the lab's 10.244.0.0/16."""
        return str(ipaddress.ip_network((int(POD_SUBNET[0]) + 256 * self.number, 24)))


def make_nodes(count: int, servers: int = 1) -> tuple[Node, ...]:
    """Return `count` nodes, of which `servers` are servers; raise InvalidValue for odd wishes."""
    if not 1 <= count <= MAX_NODES:
        raise InvalidValue(
            f"--nodes is {count}, but a lab has 1 to {MAX_NODES} nodes",
            hint=f"lab up --nodes {min(max(count, 1), MAX_NODES)}",
        )
    return nodes_of(range(1, count + 1), server_numbers(count, servers))


def nodes_of(numbers: Iterable[int], servers: Iterable[int]) -> tuple[Node, ...]:
    """Return the nodes of these numbers, those in `servers` as servers."""
    serving = set(servers)
    return tuple(Node(number, number in serving) for number in sorted(numbers))


def server_numbers(count: int, servers: int) -> tuple[int, ...]:
    """Return which of `count` nodes are servers.

    n2 holds the data and is no server where there are enough others. An even number of
    servers tolerates no more losses than one fewer (etcd.io/docs/latest/faq), so it is refused.
    """
    if servers not in SERVER_COUNTS:
        why = "an even number outlives no more losses than one fewer" if servers % 2 == 0 else ""
        raise InvalidValue(
            f"--servers is {servers}, but a lab has 1 or 3 servers{why and f': {why}'}",
            hint="lab up --servers 3",
        )
    if servers > count:
        raise InvalidValue(
            f"--servers is {servers}, but --nodes is {count}", hint=f"lab up --nodes {servers}"
        )
    if servers == 1:
        return (1,)
    return (1, 3, 4) if count > servers else (1, 2, 3)


def home(nodes: Sequence[Node]) -> Node:
    """Return the server that is kept free of what is scheduled, and is home to the observer.

    The one with the lowest number, so that a lost first server's place falls to the next one, and
    back to the server that is made in its place. n2 comes last: data does not move.
    """
    servers = [node for node in nodes if node.is_server] or nodes
    return min(servers, key=lambda node: (node.number == DATA_NUMBER, node.number))


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
