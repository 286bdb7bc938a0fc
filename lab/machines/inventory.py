"""Machines that people already have: which they are, from the groups of a pyinfra inventory.

Pure. `lab.machines.inventory_checks` says what is wrong with how they are listed, and
`lab.machines.inventory_file` runs the file and looks up names and keys.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

SERVERS = ("server", "servers")
AGENTS = ("agent", "agents")
EVERYBODY = "all"


@dataclass(frozen=True, slots=True)
class Group:
    """Hosts as (name, data), and the data they share."""

    hosts: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """A host as the inventory has it: its role, and its own data over that of its groups."""

    name: str
    is_server: bool
    data: Mapping[str, Any]

    @property
    def hostname(self) -> str:
        return str(self.data.get("ssh_hostname") or self.name)

    @property
    def port(self) -> int | None:
        value = self.data.get("ssh_port")
        return int(value) if value else None

    @property
    def user(self) -> str | None:
        value = self.data.get("ssh_user")
        return str(value) if value else None


@dataclass(frozen=True, slots=True)
class Host:
    """One machine: how ssh gets there, and where the other nodes find it.

    `hostname` is what ssh is given, and may be a name of its configuration; `known_as` is what
    known_hosts calls it. `address` is the IP address of the node (`data["address"]`, else what
    `hostname` stands for) and empty where that could not be found.
    `key`, `known_hosts` and `config` are absolute, None where ssh's own are to be used. `sudo`
    says that root is reached by it. `data` is all that the inventory has, for deploys to read.
    """

    name: str
    address: str
    user: str
    port: int
    key: Path | None
    known_hosts: Path | None
    is_server: bool
    sudo: bool
    data: dict[str, Any]
    hostname: str
    known_as: str
    config: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it, without `data`, which is the inventory's."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {
            name: str(value) if isinstance(value, Path) else value
            for name, value in values.items()
            if name != "data"
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        paths = {
            name: Path(value[name]) if value[name] else None
            for name in ("key", "known_hosts", "config")
        }
        return cls(**{**value, **paths, "data": {}})


def find_entries(groups: Mapping[str, Group]) -> tuple[Entry, ...]:
    """Return the hosts of the groups with a role, servers first, each in the file's order.

    Data is laid over each other as pyinfra does: of `all`, of each group, of the host.
    """
    entries = []
    for roles, is_server in ((SERVERS, True), (AGENTS, False)):
        for role in roles:
            for name, _ in groups.get(role, Group()).hosts:
                entries.append(Entry(name, is_server, _data_of(name, groups)))
    return tuple(entries)


def _data_of(name: str, groups: Mapping[str, Group]) -> dict[str, Any]:
    shared: dict[str, Any] = dict(groups.get(EVERYBODY, Group()).data)
    own: dict[str, Any] = {}
    for group in groups.values():
        for each, data in group.hosts:
            if each == name:
                shared |= group.data
                own |= data
    return shared | own


def parse_address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
