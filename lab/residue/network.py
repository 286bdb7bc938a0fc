"""What is in the network namespace of the host, and which namespaces have a name?"""

import contextlib
import ipaddress
import json
import re
import shutil
import struct
from pathlib import Path
from typing import Any

from lab.machines.commands import run
from lab.residue.fingerprint import Facts

THERE = "there"

_BOUND_S = 5.0
# What a route has besides its meaning: it changes by itself.
_PASSING = {"flags", "expires", "cache", "error", "age", "users", "used"}
_LISTENS = {"tcp": "0A", "tcp6": "0A", "udp": "07", "udp6": "07"}
_COUNTERS = re.compile(r" ?\[\d+:\d+\]")


def read_links() -> Facts:
    return parse_links(_ip("-details", "link", "show"))


def read_addresses() -> Facts:
    return parse_addresses(_ip("address", "show"))


def read_routes() -> Facts:
    return parse_routes(_ip("route", "show", "table", "all"))


def _ip(*argv: str) -> str:
    return run(["ip", "-json", *argv], timeout_s=_BOUND_S)


def parse_links(text: str) -> Facts:
    """Return name → kind: veth and bridge for instance, or ether for a card."""
    return {
        link["ifname"]: link.get("linkinfo", {}).get("info_kind", link["link_type"])
        for link in _records(text)
    }


def parse_addresses(text: str) -> Facts:
    """Return "link address" → scope."""
    return {
        f"{link['ifname']} {address['local']}/{address['prefixlen']}": address["scope"]
        for link in _records(text)
        for address in link["addr_info"]
        if "local" in address
    }


def parse_routes(text: str) -> Facts:
    return {
        " ".join(f"{key} {value}" for key, value in route.items() if key not in _PASSING): THERE
        for route in _records(text)
    }


def _records(text: str) -> list[dict[str, Any]]:
    """Return what `ip -json` printed; older ones print empty objects, or nothing for none."""
    return [record for record in json.loads(text or "[]") if record]


def read_namespaces(directory: Path = Path("/run/netns")) -> Facts:
    found: Facts = {}
    for entry in directory.iterdir() if directory.is_dir() else ():
        with contextlib.suppress(FileNotFoundError):  # it ended while we looked
            found[entry.name] = f"inode {entry.stat().st_ino}"
    return found


def read_sockets(directory: Path = Path("/proc/net")) -> Facts:
    found: Facts = {}
    for protocol in _LISTENS:
        table = directory / protocol
        # A host without IPv6 has no such table.
        if table.exists():
            found |= parse_sockets(protocol, table.read_text())
    return found


def parse_sockets(protocol: str, table: str) -> Facts:
    """Return "tcp 127.0.0.1:6443" → owner for the sockets in a table of /proc/net that listen."""
    rows = [line.split() for line in table.splitlines()[1:]]
    return {
        f"{protocol} {_endpoint(row[1])}": f"user {row[7]}"
        for row in rows
        if row[3] == _LISTENS[protocol]
    }


def _endpoint(text: str) -> str:
    """Translate 0100007F:1A2B: words of 32 bits in the host's order, then the port."""
    address, port = text.split(":")
    words = [int(address[at : at + 8], 16) for at in range(0, len(address), 8)]
    ip = ipaddress.ip_address(struct.pack(f"={len(words)}I", *words))
    return f"{ip if ip.version == 4 else f'[{ip}]'}:{int(port, 16)}"


def read_rules(proc: Path = Path("/proc/net")) -> Facts:
    """Return the rules of nft by table, and those that legacy iptables set beside them."""
    rules = parse_ruleset(run(["nft", "--stateless", "list", "ruleset"], timeout_s=_BOUND_S))
    for program, tables in (("iptables", "ip_tables_names"), ("ip6tables", "ip6_tables_names")):
        save = shutil.which(f"{program}-legacy-save")
        # Asked without need, the legacy programs load their modules.
        if save and _has_text(proc / tables):
            rules |= parse_saved(program, run([save], timeout_s=_BOUND_S))
    return rules


def _has_text(path: Path) -> bool:
    try:
        return bool(path.read_text().strip())
    except (FileNotFoundError, PermissionError):
        return False


def parse_ruleset(text: str) -> Facts:
    """Return "nft table inet name" → its text."""
    found: Facts = {}
    title = ""
    for line in text.splitlines():
        if line.startswith("table "):
            title = f"nft {line.removesuffix(' {')}"
            found[title] = ""
        if title and not line.startswith("#"):
            found[title] += f"{line}\n"
    return found


def parse_saved(program: str, text: str) -> Facts:
    """Return "iptables-legacy nat" → its text, without comments and counters."""
    found: Facts = {}
    title = ""
    for line in text.splitlines():
        if line.startswith("*"):
            title = f"{program}-legacy {line[1:]}"
            found[title] = ""
        elif title and not line.startswith("#"):
            found[title] += _COUNTERS.sub("", line) + "\n"
    return found
