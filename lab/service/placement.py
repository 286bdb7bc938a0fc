"""Which node of a lab is there for what, and how the cluster is told.

n1 is the server and the observer's home, n2 holds the data, the others run the service;
with fewer nodes the last one takes over what is missing.
"""

from collections.abc import Mapping, Sequence

from lab.kube import nodes as kube_nodes
from lab.kube.client import Client
from lab.machines.topology import Node
from lab.service.names import APP, DATA, SERVER, RoleLabel


def place(nodes: Sequence[Node]) -> dict[Node, tuple[RoleLabel, ...]]:
    """Return what each node is there for."""
    roles: dict[Node, tuple[RoleLabel, ...]] = dict.fromkeys(nodes[2:], (APP,))
    if len(nodes) == 1:
        return {nodes[0]: (SERVER, DATA, APP)}
    roles[nodes[0]] = (SERVER,)
    roles[nodes[1]] = (DATA,) if len(nodes) > 2 else (DATA, APP)
    return {node: roles[node] for node in nodes}


def label_nodes(client: Client, roles: Mapping[Node, tuple[RoleLabel, ...]]) -> None:
    """Label each node, and keep all but the database away from one that holds only data."""
    for node, labels in roles.items():
        kube_nodes.mark(
            client,
            node.name,
            labels={label.key: "" for label in labels},
            taint=DATA.key if labels == (DATA,) else None,
        )
