"""Do the hosts reach each other, in the way that their cluster needs? Pure.

    outcomes = run_on_all(hosts, neighbour_script(peers), ssh=ssh)
    require_fit(judge_neighbours({name: read_facts(...) ...}, peers, wanted))

That a connection was refused says as much as one that came about: packets go there and back.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lab.machines.inventory import Address, parse_address
from lab.provision.preflight_facts import Facts
from lab.provision.preflight_findings import Finding, Found, Wanted, untested
from lab.provision.preflight_scripts import Peer

# The second is what newer versions of curl say.
ANSWERED = re.compile(r"connected|established connection|connection refused", re.IGNORECASE)
# errno(3) in the words of glibc and musl, and what a firewall of the host itself brings about.
SILENT = re.compile(
    r"timed out|no route to host|(network|host) is (unreachable|down)|(network|host) unreachable"
    r"|operation (not permitted|timed out)|permission denied|cannot assign requested address",
    re.IGNORECASE,
)
# ip-route(8): routes of these types lead nowhere.
NO_WAY = re.compile(r"RTNETLINK answers|unreachable|blackhole|prohibit")


@dataclass(frozen=True, slots=True)
class Path:
    """From a host to one of its peers: what `ip route get` said, and what came of connecting."""

    peer: Peer
    way: str
    said: str

    @property
    def leads_nowhere(self) -> bool:
        return NO_WAY.search(self.way) is not None

    @property
    def ends_here(self) -> bool:
        return self.way.startswith("local ")

    @property
    def gateway(self) -> str:
        """The first stop on the way, empty where there is none."""
        found = re.search(r"\bvia (?:inet6? )?(\S+)", self.way)
        return found[1] if found else ""

    @property
    def silence(self) -> str:
        """Why the peer did not answer; empty where it did, and where nothing is known of it."""
        found = None if ANSWERED.search(self.said) else SILENT.search(self.said)
        return found[0].lower() if found else ""

    @property
    def untested(self) -> str:
        """Why nothing is known of it; empty where something is."""
        return "" if ANSWERED.search(self.said) or self.silence else self.said

    def text(self) -> str:
        return f"{self.peer.node} ({self.peer.address} port {self.peer.port}: {self.silence})"


def judge_neighbour(node: str, facts: Facts, peers: Sequence[Peer], wanted: Wanted) -> Found:
    """Yield what is wrong between one host and the others, each kind of trouble once."""
    own = next((each for each in peers if each.node == node), None)
    if own:
        yield from _of_own_address(node, facts, own)
    paths = tuple(_paths(facts, [each for each in peers if each.node != node]))
    yield from _of_ends(node, paths)
    yield from _of_silence(node, [each for each in paths if not each.ends_here])
    if wanted.distribution == "kubeadm":
        yield from _of_gateways(node, paths)
    unknown = sorted({each.untested for each in paths if each.untested})
    if unknown:
        yield untested(node, "a connection to the other hosts", unknown[0])


def _paths(facts: Facts, peers: Sequence[Peer]) -> Iterator[Path]:
    ways = _by_address(facts.all("way"))
    said = _by_address(facts.all("peer"))
    for peer in peers:
        address = parse_address(peer.address)
        if address:
            _, _, words = said.get(address, "").partition(" ")
            yield Path(peer, ways.get(address, ""), words)


def _by_address(lines: Sequence[str]) -> dict[Address, str]:
    pairs = (line.partition(" ") for line in lines)
    found = ((parse_address(address), text) for address, _, text in pairs)
    return {address: text for address, text in found if address}


def _of_own_address(node: str, facts: Facts, own: Peer) -> Found:
    """The inventory's address is that by which ssh comes in: it may be a router's (NAT)."""
    address, has = parse_address(own.address), [each.ip for _, each in facts.interfaces]
    if not has or address is None or address in has:
        return
    shown = [str(each) for each in has if not each.is_loopback and not each.is_link_local]
    yield Finding(
        node,
        f"its address {address} is on none of its links; it has {', '.join(shown) or 'no other'}",
        f"in the inventory, as `address` of {node}: the one by which the other hosts reach it",
    )


def _of_ends(node: str, paths: Sequence[Path]) -> Found:
    """VirtualBox gives each machine 10.0.2.15, Docker each 172.17.0.1."""
    for path in paths:
        if path.ends_here:
            yield Finding(
                node,
                f"{path.peer.address}, the address of {path.peer.node}, is one of its own, too",
                "in the inventory, as `address` of each host: one that no other host has",
            )


def _of_silence(node: str, paths: Sequence[Path]) -> Found:
    lost = [each for each in paths if each.leads_nowhere]
    if lost:
        names = ", ".join(f"{each.peer.node} ({each.peer.address})" for each in lost)
        first = lost[0].peer.address
        yield Finding(
            node, f"it has no route to {names}: {lost[0].way}", f"on {node}: ip route get {first}"
        )
    silent = [each for each in paths if each.silence and not each.leads_nowhere]
    if silent:
        yield Finding(
            node,
            f"it does not reach {', '.join(each.text() for each in silent)}",
            f"let {node} and {', '.join(each.peer.node for each in silent)} through to each other: "
            "firewalls of hosts, security groups, networks",
        )


def _of_gateways(node: str, paths: Sequence[Path]) -> Found:
    """lab's routes to pods name the next node, which must be a neighbour on a link."""
    routed = [each for each in paths if each.gateway and not each.leads_nowhere]
    if routed:
        ways = ", ".join(f"{each.peer.node} by {each.gateway}" for each in routed)
        yield Finding(
            node,
            f"it reaches {ways}; with kubeadm, lab routes pods directly between nodes of one "
            "network",
            "addresses of one network in the inventory; or lab up --distribution k3s, whose nodes "
            "tunnel (vxlan)",
        )
