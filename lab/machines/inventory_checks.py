"""What is wrong with how machines are listed, and with where they are? Pure.

Each check returns all problems at once.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from lab.machines.inventory import Address, Entry, Host, Network, parse_address
from lab.machines.topology import MAX_NODES, SERVER_COUNTS

Problems = Iterator[str]

# A node's name is a DNS-1123 subdomain, and as the label kubernetes.io/hostname it has at most
# 63 characters (kubernetes.io/docs/concepts/overview/working-with-objects/names, .../labels).
_LABEL = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
_NODE_NAME = re.compile(rf"(?=.{{1,63}}\Z){_LABEL}(\.{_LABEL})*")
# Neither is ever taken for an option of ssh, or for more than one word by a shell.
_HOSTNAME = re.compile(r"[A-Za-z0-9_:][A-Za-z0-9_.:%-]*")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*")

_TEXTS = (
    "ssh_hostname",
    "ssh_user",
    "ssh_key",
    "ssh_known_hosts_file",
    "ssh_config_file",
    "address",
)
_KNOWN = (*_TEXTS, "ssh_port", "ssh_strict_host_key_checking")
_REFUSED = {
    "ssh_password": "lab logs in with keys only",
    "ssh_key_password": "a key with a passphrase goes through ssh-agent",
    "_sudo_password": "lab needs sudo without a password",
    "_sudo_user": "lab becomes root, and nobody else",
    "_su_user": "lab becomes root by sudo, not by su",
    "_doas": "lab becomes root by sudo, not by doas",
}


def check_entries(entries: tuple[Entry, ...], groups: Iterable[str] = ()) -> tuple[str, ...]:
    """Return what is wrong with the list itself; nothing has been looked up for it.

    `groups` are the names of all groups of the file, told when none of them has a server.
    """
    return (
        *_of_counts(entries, tuple(groups)),
        *_of_names(entries),
        *(f"{entry.name}: {each}" for entry in _once(entries) for each in _of_data(entry.data)),
    )


def usable_entries(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """Return each host once that can be looked up, whatever else is wrong with it or the list."""
    return tuple(
        entry
        for entry in _once(entries)
        if not any(_of_login(entry.data)) and _matches(_HOSTNAME, entry.hostname)
    )


def _once(entries: tuple[Entry, ...]) -> Iterable[Entry]:
    return {entry.name: entry for entry in entries}.values()


def _of_counts(entries: tuple[Entry, ...], groups: tuple[str, ...]) -> Problems:
    names = {entry.name for entry in entries}
    servers = len({entry.name for entry in entries if entry.is_server})
    if not servers:
        known = f"; it has {', '.join(groups)}" if groups else ""
        yield f"there is no server: no host is in a group `server` or `servers`{known}"
    elif servers not in SERVER_COUNTS:
        # etcd.io/docs/latest/faq: four members outlive the loss of one, as three do.
        why = ": an even number outlives no more losses than one fewer" * (servers % 2 == 0)
        yield f"there are {servers} servers, but a cluster has 1 or 3{why}"
    if len(names) > MAX_NODES:
        yield f"there are {len(names)} hosts, but a lab has at most {MAX_NODES}"


def _of_names(entries: tuple[Entry, ...]) -> Problems:
    roles: dict[str, list[bool]] = defaultdict(list)
    for entry in entries:
        roles[entry.name].append(entry.is_server)
    for name, found in roles.items():
        if len(set(found)) > 1:
            yield f"{name}: it is both server and agent; a server runs pods, too"
        elif len(found) > 1:
            yield f"{name}: it is listed {len(found)} times"
        if not _NODE_NAME.fullmatch(name):
            yield (
                f"{name!r} cannot name a node: use at most 63 lower-case letters, digits, "
                "dashes and dots (DNS-1123), and say where it is with ssh_hostname"
            )


def _of_data(data: Mapping[str, Any]) -> Problems:
    """Values are never shown where one could be a password."""
    yield from _of_login(data)
    yield from _of_rest(data)


def _of_login(data: Mapping[str, Any]) -> Problems:
    """Yield what keeps a host from being looked up."""
    for key in _TEXTS:
        if not isinstance(data.get(key, ""), str):
            yield f"{key} is of type {type(data[key]).__name__}, not a text"
    if not _matches(_HOSTNAME, data.get("ssh_hostname")):
        yield f"ssh_hostname {data['ssh_hostname']!r} is neither a name nor an address"
    if not _matches(_USER, data.get("ssh_user")):
        yield f"ssh_user {data['ssh_user']!r} cannot be a user"
    if data.get("ssh_port") is not None and not _is_port(data["ssh_port"]):
        yield f"ssh_port {data['ssh_port']!r} is not a number from 1 to 65535"


def _of_rest(data: Mapping[str, Any]) -> Problems:
    if not isinstance(data.get("_sudo", False), bool):
        yield "_sudo is neither True nor False"
    if data.get("ssh_strict_host_key_checking", "yes") != "yes":
        yield (
            f"ssh_strict_host_key_checking is {data['ssh_strict_host_key_checking']!r}; lab always "
            "checks host keys, and takes new ones only with --accept-new-host-keys"
        )
    for key in filter(data.get, _REFUSED):
        yield f"{key} is not used: {_REFUSED[key]}"
    yield from _of_slips(data)


def _of_slips(data: Mapping[str, Any]) -> Problems:
    """Whoever mistypes a key would have lab log in elsewhere, and nobody told."""
    for key in data:
        # Other data is the inventory's own, and keys that lab has no use for are pyinfra's.
        if not key.startswith("ssh_") or key in _KNOWN or key in _REFUSED:
            continue
        for meant in get_close_matches(key, _KNOWN, n=1, cutoff=0.85):
            yield f"there is no {key}; is {meant} meant?"


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    """Leave what is absent, and what is no text, to others."""
    return not isinstance(value, str) or not value or pattern.fullmatch(value) is not None


def _is_port(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return False
    return re.fullmatch(r"[0-9]{1,5}", str(value)) is not None and 1 <= int(value) <= 65535


def check_hosts(
    hosts: tuple[Host, ...],
    *,
    pods: Network,
    services: Network,
    node_nets: tuple[Network, ...] = (),
) -> tuple[str, ...]:
    """Return what is wrong with hosts whose addresses have been looked up.

    `node_nets` are the networks in which nodes are, as far as they are known.
    """
    return (
        *(f"{host.name}: {each}" for host in hosts for each in _of_host(host, pods, services)),
        *_of_loopback(hosts),
        *_of_places(hosts),
        *_of_ranges(pods, services, node_nets),
    )


def _of_host(host: Host, pods: Network, services: Network) -> Problems:
    if host.user != "root" and not host.sudo:
        yield f"user {host.user!r} is not root, and `_sudo` is not True: lab installs as root"
    address = parse_address(host.address)
    if address is None:
        return
    if address.version != pods.version:
        yield f"address {address} is not of the same family as the range of pods, {pods}"
    if address.is_unspecified or address.is_multicast:
        yield f"{address} is the address of no machine"
    for what, network in (("pods", pods), ("services", services)):
        if address in network:
            yield f"its address {address} is in the range of {what}, {network}"


def _of_loopback(hosts: tuple[Host, ...]) -> Problems:
    if len(hosts) < 2:
        return
    for host in hosts:
        address = parse_address(host.address)
        if address is not None and address.is_loopback:
            yield (
                f"{host.name}: {_shown(host)} is loopback, where each node finds itself; "
                "give the address that the others reach as `address` of its data"
            )


def _shown(host: Host) -> str:
    same = host.hostname == host.address
    return host.address if same else f"{host.hostname} ({host.address})"


def _of_places(hosts: tuple[Host, ...]) -> Problems:
    addresses: dict[Address, list[str]] = defaultdict(list)
    doors: dict[tuple[str, int], list[str]] = defaultdict(list)
    for host in hosts:
        address = parse_address(host.address)
        # Every loopback address is a problem already.
        if address is not None and not address.is_loopback:
            addresses[address].append(host.name)
        doors[host.hostname.lower(), host.port].append(host.name)
    told = set()
    for place, names in addresses.items():
        if len(names) > 1:
            told.add(tuple(names))
            yield f"{' and '.join(names)} have the same address, {place}"
    for (hostname, port), names in doors.items():
        if len(names) > 1 and tuple(names) not in told:
            yield f"{' and '.join(names)} are the same machine to ssh, {hostname} port {port}"


def _of_ranges(pods: Network, services: Network, node_nets: tuple[Network, ...]) -> Problems:
    if pods.overlaps(services):
        yield f"the ranges of pods, {pods}, and services, {services}, overlap"
    for net in dict.fromkeys(node_nets):
        for what, network in (("pods", pods), ("services", services)):
            if net.overlaps(network):
                yield f"the nodes' network {net} overlaps the range of {what}, {network}"
