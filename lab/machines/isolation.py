"""Cut a node, or one port of all nodes, off the lab's network, as a switch that fails would.

By rules inside the lab's own namespace, where the bridge is: both directions, connections that
exist as well, and not a word to either side. Each cut is a table of its own, which is taken away
by its name; all of them end with the namespace.
"""

from collections.abc import Iterable
from itertools import pairwise

from lab.errors import MachineError
from lab.machines import netns, network
from lab.machines.commands import run
from lab.machines.topology import Node

PREFIX = "lab-cut-"
# Of the hooks of the family bridge, nft(8): every frame that comes from a port passes the
# first, and every one that leaves by a port the second, whoever it is from or for.
IN, OUT = "prerouting", "postrouting"


def cut_node(lab_id: str, node: Node) -> None:
    """Drop every frame from and to the node; changes nothing when it is cut off already."""
    link = network.link(lab_id, node.name)
    if not network.has_link(lab_id, link):
        raise MachineError(
            f"{node.name} has no link {link}, so nothing of it can be cut",
            hint="lab status",
        )
    rules = {IN: (f'iifname "{link}" counter drop',), OUT: (f'oifname "{link}" counter drop',)}
    _load(lab_id, node.name, rules.items())


def cut_port(lab_id: str, name: str, port: int) -> None:
    """Drop TCP from and to `port` between nodes; `name` is what the cut is called."""
    ways = tuple(f"tcp {way} {port} counter drop" for way in ("sport", "dport"))
    _load(lab_id, name, {IN: ways}.items())


def heal(lab_id: str, name: str) -> None:
    """Take the cut of that name away; a second time changes nothing."""
    # Taken away twice would be refused, so it is made first, in the same transaction.
    _nft(lab_id, f"table bridge {PREFIX}{name} {{}}\ndelete table bridge {PREFIX}{name}\n")


def cuts(lab_id: str) -> tuple[str, ...]:
    """Return the names of the cuts there are."""
    shown = _nft(lab_id, "list tables bridge\n").split()
    return tuple(sorted(each.removeprefix(PREFIX) for each in shown if each.startswith(PREFIX)))


def dropped(lab_id: str, name: str) -> int:
    """Return how many frames the cut of that name has stopped."""
    words = _nft(lab_id, f"list table bridge {PREFIX}{name}\n").split()
    return sum(int(after) for word, after in pairwise(words) if word == "packets")


def _load(lab_id: str, name: str, rules: Iterable[tuple[str, tuple[str, ...]]]) -> None:
    table = f"table bridge {PREFIX}{name}"
    chains = "\n".join(_chain(hook, lines) for hook, lines in rules)
    _nft(lab_id, f"{table} {{}}\ndelete {table}\n{table} {{\n{chains}\n}}\n")


def _chain(hook: str, lines: tuple[str, ...]) -> str:
    body = "\n".join((f"type filter hook {hook} priority 0; policy accept;", *lines))
    return f"chain {hook} {{\n{body}\n}}"


def _nft(lab_id: str, script: str) -> str:
    return run(netns.command(network.name(lab_id), ["nft", "-f", "-"]), input=script)
