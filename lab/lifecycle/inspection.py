"""May these machines become nodes? Looked at all at once, and nothing is changed on any.

What is asked and how it is judged is in `lab.provision.preflight`.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab.artifacts.recipe import architecture
from lab.files import make_dir
from lab.lifecycle.lab import accepted_keys
from lab.machines import hosts as machines
from lab.machines.host_failure import Failure, learning
from lab.machines.hosts import Answer, Ssh
from lab.machines.inventory import Host
from lab.machines.inventory_checks import check_hosts
from lab.machines.topology import POD_SUBNET, SERVICE_SUBNET
from lab.paths import Paths
from lab.progress import Progress
from lab.provision import preflight
from lab.provision.distribution import Distribution

LOOK_BOUND_S = 120.0

Tell = Callable[[str], None]
Look = preflight.Facts | Failure


@dataclass(frozen=True, slots=True)
class Inventory:
    """What a user says of machines: which, and what may be done with them.

    `adopt` takes a k3s over that lab did not make; `accept_new` takes host keys at first sight;
    `tell` shows what is worth knowing and forbids nothing. Who `looks_only` writes nothing.
    """

    hosts: tuple[Host, ...]
    adopt: bool = False
    accept_new: bool = False
    looks_only: bool = False
    tell: Tell = field(default=lambda _: None)


def ssh_of(paths: Paths, name: str, inventory: Inventory) -> Ssh:
    """Return how machines are logged in to, also those of a lab that is not there yet."""
    accepted = accepted_keys(paths, name)
    if inventory.accept_new and inventory.looks_only:
        accepted = Path(os.devnull)
    elif inventory.accept_new:
        make_dir(accepted.parent, owner=paths.caller, mode=0o700)
    return Ssh(paths.caller.home, accepted, accept_new=inventory.accept_new)


def inspect(
    inventory: Inventory,
    chosen: Sequence[Host],
    distribution: Distribution,
    *,
    ssh: Ssh,
    lab_id: str,
    progress: Progress,
) -> None:
    """Look at all hosts, changing nothing; those in `chosen` are to become nodes.

    Raises HostUnfit with everything that is wrong with any of them, together.
    """
    wanted = preflight.Wanted(
        distribution.name,
        servers=frozenset(host.name for host in inventory.hosts if host.is_server),
        architecture=architecture(),
        adopt=inventory.adopt,
        owner=lab_id,
    )
    count = len(inventory.hosts)
    with progress.task(f"Looking at {count} host{'s' * (count > 1)}"):
        found = _ask(inventory.hosts, preflight.script(distribution.name), ssh)
        between = _judge_neighbours(inventory.hosts, found, wanted, ssh)
    new = {host.name for host in chosen}
    findings = [
        finding
        for finding in (
            *preflight.judge(found, wanted),
            *_of_networks(found),
            *judge_authorities(inventory.hosts, found, ssh),
            *between,
        )
        # What is a node already is judged by how it works.
        if finding.node in new or not isinstance(found.get(finding.node), preflight.Facts)
    ]
    preflight.require_fit(findings)
    for finding in preflight.warnings(findings):
        inventory.tell(finding.text())


def _ask(hosts: Sequence[Host], script: str, ssh: Ssh) -> dict[str, Look]:
    """Return what the hosts said by name, or why nothing is known of one."""
    began = time.time()
    outcomes = machines.run_on_all(hosts, script, ssh=ssh, timeout_s=LOOK_BOUND_S)
    ended = time.time()
    return {
        name: preflight.read_facts(each.out, began=began, ended=ended)
        if isinstance(each, Answer)
        else each
        for name, each in outcomes.items()
    }


def _judge_neighbours(
    hosts: Sequence[Host], found: Mapping[str, Look], wanted: preflight.Wanted, ssh: Ssh
) -> list[preflight.Finding]:
    usable = [host for host in hosts if isinstance(found[host.name], preflight.Facts)]
    peers = [preflight.Peer(host.name, host.address, host.port) for host in usable]
    seen = _ask(usable, preflight.neighbour_script(peers), ssh)
    return list(preflight.judge_neighbours(seen, peers, wanted))


def _of_networks(found: Mapping[str, Look]) -> Iterator[preflight.Finding]:
    for name, facts in found.items():
        nets = facts.networks if isinstance(facts, preflight.Facts) else ()
        for problem in check_hosts((), pods=POD_SUBNET, services=SERVICE_SUBNET, node_nets=nets):
            yield preflight.Finding(name, problem, "hosts in another network: these are fixed")


def judge_authorities(
    hosts: Sequence[Host], found: Mapping[str, Look], ssh: Ssh
) -> Iterator[preflight.Finding]:
    """What installs (pyinfra, by paramiko) checks keys of hosts only, and knows no authorities."""
    for host in hosts:
        if not isinstance(found[host.name], preflight.Facts) or machines.known_keys(host, ssh):
            continue
        if authority := machines.authority_of(host, ssh):
            yield preflight.Finding(
                host.name,
                f"its host key is known by an authority only (@cert-authority in {authority}), "
                "which what installs cannot ask",
                learning(host, str(ssh.known_hosts(host))),
            )
