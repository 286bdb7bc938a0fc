"""Machines that are nobody's nodes: Debian with systemd and sshd, and nothing of Kubernetes.

They are nodes of a sandbox that were booted with their Debian only, so that they are real, and as
fast as this host; `lab` runs in their network and has them in an inventory. Unlike the hosts of
`tests.e2e.hosts` they share a kernel, its clock and its cgroups with the tester.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typing_extensions import override

from lab.lifecycle.bounds import BOUNDS
from lab.lifecycle.lab import Lab
from lab.lifecycle.making import boot, create, prepare_host
from lab.lifecycle.plan import Done
from lab.machines import netns, network
from lab.machines.commands import run
from lab.machines.topology import find_node, make_nodes
from lab.progress import Silent
from lab.provision.kubeadm_phases import Kubeadm
from tests.e2e import looks
from tests.e2e.home import Done as Ended
from tests.e2e.home import Home

NAME = "bare"
# A node sees the cache here; a machine of somebody's does not.
UNLIKE_NODES = "umount /var/lib/lab/artifacts && rmdir /var/lib/lab/artifacts /var/lib/lab"


@dataclass(frozen=True, slots=True)
class Bare(Kubeadm):
    """Nodes without anything of a distribution."""

    @override
    def layers(self, trees: Mapping[str, Path]) -> tuple[Path, ...]:
        return (trees["noderoot"],)


@dataclass(frozen=True, slots=True)
class Machines:
    """Booted machines by name, k1 and up, the user who has a lab on them, and how they were."""

    home: Home
    sandbox: Lab
    before: Mapping[str, str]

    @property
    def names(self) -> list[str]:
        return list(self.before)

    def run(self, name: str, script: str) -> str:
        return _run(self.sandbox, name, script)

    @property
    def network(self) -> str:
        """Return what the machines' network namespace and the bridge in it are called."""
        return network.name(self.sandbox.record.lab_id)

    def tap(self, name: str) -> str:
        """Make a tap on the bridge for one more machine, and return its name."""
        batch = f"tuntap add dev {name} mode tap\nlink set {name} master {self.network} up\n"
        run(netns.command(self.network, ["ip", "-batch", "-"]), input=batch)
        return name

    def is_leaving(self, name: str = "lab") -> bool:
        """Say whether the lab is on its way out."""
        return bool(self.home.record(name)["leaving"])

    def take_off(self) -> None:
        """Take the labs off that are on the machines."""
        for name in set(self.home.names()) - {NAME}:
            self.lab("down", "--name", name, "--yes")

    @contextmanager
    def inside(self) -> Iterator[Home]:
        """Step into the machines' network: what `home` starts meanwhile runs there."""
        with netns.enter(self.sandbox.sandbox.namespace()):
            yield self.home

    def lab(self, *arguments: str) -> Ended:
        with self.inside() as home:
            return home.lab(*arguments)

    def must(self, *arguments: str) -> str:
        with self.inside() as home:
            return home.must(*arguments)

    def json(self, *arguments: str) -> Any:
        return json.loads(self.must(*arguments, "--json"))

    def differences(self, name: str) -> list[str]:
        return looks.compare(self.before[name], self.run(name, looks.SCRIPT))

    def inventory(self, servers: Sequence[str], agents: Sequence[str] = ()) -> str:
        """Write an inventory of these machines; return its path."""
        groups = {"server": servers, "agents": agents}
        lines = [f"{group} = {[(n, self.data(n)) for n in ns]!r}" for group, ns in groups.items()]
        file = self.home.directory / "machines.py"
        file.write_text("\n".join(lines) + "\n")
        return str(file)

    def data(self, name: str) -> dict[str, Any]:
        """Return what an inventory says of a machine when all is well."""
        return {
            "ssh_hostname": find_node(self.sandbox.record.nodes, _node(name)).address,
            "ssh_user": "root",
            "ssh_key": str(self.sandbox.keys.login),
            "ssh_known_hosts_file": str(self.sandbox.keys.known_hosts),
        }


@contextmanager
def machines(home: Home, count: int) -> Iterator[Machines]:
    """Boot them, and take labs that are on them off at the end."""
    distribution, done = Bare(), Done()
    paths = home.paths
    lab = create(paths, NAME, make_nodes(count), distribution, Silent(), done, hosts={})
    prepare_host(lab, Silent(), done)
    boot(lab, distribution, BOUNDS, Silent(), done)
    names = [f"k{number}" for number in range(1, count + 1)]
    for name in names:
        _run(lab, name, UNLIKE_NODES)
    made = Machines(home, lab, {name: _run(lab, name, looks.SCRIPT) for name in names})
    try:
        yield made
    finally:
        made.take_off()
        home.must("down", "--name", NAME, "--yes")


def _run(lab: Lab, name: str, script: str) -> str:
    node = find_node(lab.record.nodes, _node(name))
    return lab.machines.run(node, script, timeout_s=60)


def _node(name: str) -> str:
    return name.replace("k", "n")
