"""What the phases of every distribution have in common."""

from lab.machines.topology import Node

# Removes lab's mark from a host, when all else is gone.
RELEASE = "host-release.sh.j2"


def name_range(nodes: tuple[Node, ...]) -> str:
    """Return `n2`, `n2 to n6`, or `n2, n5 and n6` where some are left out."""
    names = [node.name for node in nodes]
    if len(names) == 1:
        return names[0]
    if nodes[-1].number - nodes[0].number == len(nodes) - 1 and len(names) > 2:
        return f"{names[0]} to {names[-1]}"
    return f"{', '.join(names[:-1])} and {names[-1]}"


def api_addresses(node: Node, nodes: tuple[Node, ...]) -> list[str]:
    """Return where `node` finds the API, itself first; a client tries them in this order."""
    servers = sorted((n for n in nodes if n.is_server), key=lambda n: (n != node, n.number))
    return [server.address for server in servers]
