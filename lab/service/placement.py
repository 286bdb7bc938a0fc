"""Which node of a lab is there for what, and how the cluster is told.

The home, n1 as long as there is no other, is the observer's; n2 holds the data, the others run
the service; with fewer nodes the last one takes over what is missing.
"""

from collections.abc import Mapping, Sequence

from lab.errors import NotReady, RequestRefused
from lab.kube import nodes as kube_nodes
from lab.kube.client import Client
from lab.machines.topology import DATA_NUMBER, Node, home
from lab.service.names import APP, BASE, DATA, SERVER, RoleLabel

ROLES = (SERVER, DATA, APP)


def place(nodes: Sequence[Node]) -> dict[Node, tuple[RoleLabel, ...]]:
    """Return what each node is there for.

    Data does not move, so n2 keeps it whichever servers come and go.
    """
    own = home(nodes)
    others = [node for node in nodes if node != own]
    if not others:
        return {own: ROLES}
    data = next((node for node in others if node.number == DATA_NUMBER), others[0])
    of_data = (DATA,) if len(others) > 1 else (DATA, APP)
    given = {own: (SERVER,), data: of_data}
    return {node: given.get(node, (APP,)) for node in nodes}


def label_nodes(client: Client, roles: Mapping[Node, tuple[RoleLabel, ...]]) -> None:
    """Label each node, and keep all but the database away from one that holds only data.

    What a node is no longer there for is taken from it: the home may have been another.
    """
    for node, labels in roles.items():
        kube_nodes.mark(
            client,
            node.name,
            labels={role.key: "" if role in labels else None for role in ROLES},
            taints={DATA.key: labels == (DATA,)},
        )


def bring_home(client: Client, pod: str, own: Node) -> None:
    """Have a pod of the home made anew there if it runs elsewhere.

    A node's labels count only when a pod is scheduled (kubernetes.io/docs/concepts/
    scheduling-eviction/assign-pod-node).
    """
    if runs_on(client, pod) not in ("", own.name):
        client.delete(f"{BASE}/pods/{pod}")


def require_home(client: Client, pod: str, own: Node) -> None:
    """Raise NotReady where a pod of the home runs elsewhere: a fault could hit it there."""
    where = runs_on(client, pod)
    if where not in ("", own.name):
        raise NotReady(f"{pod} runs on {where}, and its home is {own.name} now", hint="lab deploy")


def runs_on(client: Client, pod: str) -> str:
    """Return the name of the node, empty where there is no such pod or it is not on any yet."""
    try:
        return str(client.get(f"{BASE}/pods/{pod}")["spec"].get("nodeName", ""))
    except RequestRefused as exc:
        if exc.status != 404:
            raise
        return ""
