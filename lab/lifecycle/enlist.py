"""Which machine of an inventory is which node? Pure.

A lab's nodes have numbers: they decide the range of a node's pods. A machine keeps its number as
long as it is part of the lab, whatever is added to the file or taken from it.
"""

from collections.abc import Iterator, Mapping, Sequence

from lab.errors import InvalidValue
from lab.lifecycle.inspection import Inventory
from lab.lifecycle.record import Record, nodes_from
from lab.machines.inventory import Host
from lab.machines.topology import MAX_NODES, Node


def enlist(present: Mapping[int, Host], listed: Sequence[Host], *, name: str) -> dict[int, Host]:
    """Return node number → machine for lab `name`: those of the file, as the file has them now.

    Raises InvalidValue with everything that a lab which is there cannot follow, a line each.
    """
    problems = list(_find_problems(present, listed, name))
    if problems:
        head = f"lab {name!r} cannot become what the inventory says; nothing was changed"
        raise InvalidValue(
            "\n".join((head, *(f"  {each}" for each in problems))), hint=f"lab status --name {name}"
        )
    numbers = {host.name: number for number, host in present.items()}
    free = iter(number for number in range(1, MAX_NODES + 1) if number not in present)
    return {numbers.get(host.name) or next(free): host for host in listed}


def _find_problems(present: Mapping[int, Host], listed: Sequence[Host], name: str) -> Iterator[str]:
    wanted = {host.name: host for host in listed}
    servers = sum(host.is_server for host in present.values())
    for host in present.values():
        now = wanted.get(host.name)
        if now is None:
            yield (
                f"{host.name} is part of the lab and not in the file: "
                f"lab node remove --name {name} {host.name}"
            )
            continue
        if now.address != host.address:
            yield (
                f"{host.name} has the address {host.address} in the lab and {now.address} in the "
                f"file: lab node remove --name {name} {host.name}, then the same again"
            )
        if now.is_server != host.is_server:
            role = "a server" if host.is_server else "an agent"
            yield f"{host.name} is {role} in the lab, and the file has it as the other"
    if servers == 1 and sum(host.is_server for host in listed) > 1:
        yield "a lab that was made with one server stays with one: its controllers hold no election"


def numbered(inventory: Inventory) -> dict[int, Host]:
    """Return which nodes the machines of an inventory are in a new lab."""
    return dict(enumerate(inventory.hosts, start=1))


def follow(record: Record, inventory: Inventory) -> dict[int, Host]:
    """Return which machines a lab has when it is as its inventory says; raises as `enlist`."""
    leaver = record.removing
    staying = {number: host for number, host in record.hosts.items() if number != leaver}
    return enlist(staying, inventory.hosts, name=record.name)


def newcomers(record: Record, inventory: Inventory) -> tuple[Node, ...]:
    """Return the nodes that the lab gets when it follows its inventory."""
    known = {host.name for host in record.hosts.values()}
    return tuple(node for node in nodes_from(follow(record, inventory)) if node.name not in known)
