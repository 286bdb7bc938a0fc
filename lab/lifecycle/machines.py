"""What the nodes of a lab are for the rest of lifecycle, whoever made the machines.

Those of the sandbox are made and powered by lab. Those of kind are containers, made by kind and
powered by Docker. Those of an inventory are somebody's: lab logs in to them, and they have their
power from elsewhere.
"""

import os
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from lab.errors import MachineError, NodeUnreachable
from lab.machines import hosts, kind, netns, network
from lab.machines.commands import run
from lab.machines.hosts import Answer, Ssh
from lab.machines.inventory import Host
from lab.machines.inventory_file import config_of
from lab.machines.keys import Keys
from lab.machines.kind import KindCluster
from lab.machines.sandbox import Sandbox
from lab.machines.topology import Node
from lab.provision.child import Target

LOOK_BOUND_S = 8.0


class Machines(Protocol):
    """Implements `lab.provision.child.Login`, too."""

    def running(self, nodes: Iterable[Node]) -> frozenset[str]:
        """Return the names of the nodes that run, or can be logged in to."""
        ...

    def run(self, node: Node, script: str, *, timeout_s: float) -> str:
        """Run shell commands on a node as root; return what they printed.

        Raises CommandFailed with the last lines of its output, NodeUnreachable.
        """
        ...

    def shell(self, node: Node, arguments: Sequence[str]) -> list[str]:
        """Return the command that logs in as root, or runs `arguments` there."""
        ...

    def command(self, argv: Sequence[str]) -> list[str]: ...

    def reach(self, target: Target) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Sandboxed:
    """Nodes that lab made on this host, inside a network namespace of their own."""

    name: str
    sandbox: Sandbox
    keys: Keys

    def running(self, nodes: Iterable[Node]) -> frozenset[str]:
        return frozenset(node.name for node in nodes if self.sandbox.is_running(node))

    def run(self, node: Node, script: str, *, timeout_s: float) -> str:
        return run([*self.shell(node, ()), "sh", "-s"], input=script, timeout_s=timeout_s)

    def shell(self, node: Node, arguments: Sequence[str]) -> list[str]:
        if not self.sandbox.is_running(node):
            raise NodeUnreachable(
                f"{node.name} is powered off",
                hint=f"lab logs --name {self.name} {node.name}, or lab up --name {self.name}",
            )
        options = {
            "IdentitiesOnly": "yes",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(self.keys.known_hosts),
            "LogLevel": "ERROR",
        }
        flags = [part for key, value in options.items() for part in ("-o", f"{key}={value}")]
        ssh = ["ssh", "-F", "/dev/null", "-i", str(self.keys.login), *flags]
        return self.command([*ssh, f"root@{node.address}", *arguments])

    def command(self, argv: Sequence[str]) -> list[str]:
        return netns.command(network.name(self.sandbox.lab_id), argv)

    def reach(self, target: Target) -> dict[str, Any]:
        return {
            "ssh_hostname": target.address,
            "ssh_user": "root",
            "ssh_key": str(self.keys.login),
            "ssh_known_hosts_file": str(self.keys.known_hosts),
            "ssh_strict_host_key_checking": "yes",
            # The calling user's own configuration must not change how a lab is reached.
            "ssh_config_file": os.devnull,
        }


@dataclass(frozen=True, slots=True)
class OwnHosts:
    """Machines of an inventory, by the name of their node.

    `known_hosts` is the lab's own file with the keys of all of them: pyinfra reads one file only.
    """

    hosts: Mapping[str, Host]
    ssh: Ssh
    known_hosts: Path

    def running(self, nodes: Iterable[Node]) -> frozenset[str]:
        chosen = [self.hosts[node.name] for node in nodes]
        outcomes = hosts.run_on_all(chosen, "true", ssh=self.ssh, timeout_s=LOOK_BOUND_S)
        return frozenset(name for name, each in outcomes.items() if isinstance(each, Answer))

    def run(self, node: Node, script: str, *, timeout_s: float) -> str:
        outcome = hosts.run(self.hosts[node.name], script, ssh=self.ssh, timeout_s=timeout_s)
        if isinstance(outcome, Answer):
            return outcome.out
        raise hosts.error(outcome)

    def shell(self, node: Node, arguments: Sequence[str]) -> list[str]:
        host = self.hosts[node.name]
        by_sudo = host.sudo and host.user != "root"
        if not arguments:
            words: tuple[str, ...] = ("sudo", "-n", "-i") if by_sudo else ()
            return hosts.ssh_command(host, self.ssh, *words, terminal=True)
        text = " ".join(arguments)
        words = ("sudo", "-n", "sh", "-c", shlex.quote(text)) if by_sudo else (text,)
        return hosts.ssh_command(host, self.ssh, *words)

    def command(self, argv: Sequence[str]) -> list[str]:
        return list(argv)

    def reach(self, target: Target) -> dict[str, Any]:
        host = self.hosts[target.name]
        key = host.key or next(iter(hosts.own_keys(self.ssh.home)), None)
        return {
            "ssh_hostname": host.hostname,
            "ssh_user": host.user,
            "ssh_port": host.port,
            **({"ssh_key": str(key)} if key else {}),
            "ssh_known_hosts_file": str(self.known_hosts),
            "ssh_strict_host_key_checking": "yes",
            "ssh_config_file": str(config_of(host.config, self.ssh.home)),
            "_sudo": host.sudo and host.user != "root",
        }


@dataclass(frozen=True, slots=True)
class Kinded:
    """Nodes that are containers of kind: Docker runs what is to be run on them."""

    name: str
    cluster: KindCluster

    def running(self, nodes: Iterable[Node]) -> frozenset[str]:
        found = self.cluster.running()
        return frozenset(node.name for node in nodes if self.cluster.container(node) in found)

    def run(self, node: Node, script: str, *, timeout_s: float) -> str:
        return run(self.shell(node, ("sh", "-s")), input=script, timeout_s=timeout_s)

    def shell(self, node: Node, arguments: Sequence[str]) -> list[str]:
        if self.cluster.container(node) not in self.cluster.running():
            raise NodeUnreachable(f"{node.name} does not run", hint=f"lab up --name {self.name}")
        terminal = not arguments and sys.stdin.isatty()
        return kind.shell(self.cluster, node, arguments, terminal=terminal)

    def command(self, argv: Sequence[str]) -> list[str]:
        return list(argv)

    def reach(self, target: Target) -> dict[str, Any]:
        raise MachineError(f"{target.name} is a container of kind, which nobody provisions")
