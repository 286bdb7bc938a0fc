"""One lab with everything that acts on it."""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from lab.artifacts import layout
from lab.errors import ClusterError, ClusterUnreachable, LabError, NotRoot
from lab.files import write_atomic
from lab.journal import Journal
from lab.kube import identity, kubeconfig
from lab.kube.client import Client
from lab.kube.kubeconfig import Access
from lab.lifecycle import record as records
from lab.lifecycle.machines import Kinded, Machines, OwnHosts, Sandboxed
from lab.lifecycle.record import Record
from lab.machines import placement
from lab.machines.hosts import Ssh
from lab.machines.inventory import Host
from lab.machines.keys import Keys
from lab.machines.processes import current_boot_id
from lab.machines.sandbox import Sandbox
from lab.machines.topology import API_PORT, Node
from lab.paths import Paths


def require_root(
    command: str, *, why: str = "changes the host's network, mounts and cgroups"
) -> None:
    if os.geteuid() != 0:
        raise NotRoot(
            f"lab {command} {why}, which needs root",
            hint=f"sudo lab {command}",
        )


def is_of_hosts(paths: Paths, name: str) -> bool:
    """Whether there is a lab of that name, and its nodes are machines of an inventory.

    They are changed over SSH, for which nobody has to be root here.
    """
    with suppress(LabError):
        return bool(records.load(paths, name).hosts)
    return False


def is_of_kind(paths: Paths, name: str) -> bool:
    """Whether there is a lab of that name, and its nodes are containers of kind.

    Docker changes the host for whoever may ask it, so nobody has to be root for that.
    """
    with suppress(LabError):
        return records.load(paths, name).kind is not None
    return False


def require_power(paths: Paths, name: str, command: str, **why: str) -> None:
    """Raise NotRoot where the lab is one whose nodes only root can change."""
    if not is_of_kind(paths, name):
        require_root(command, **why)


def accepted_keys(paths: Paths, name: str) -> Path:
    """Return the file of the host keys that were taken at first sight, when told to.

    It lies outside of the lab's directory: hosts are looked at before there is one.
    """
    return paths.state / "host-keys" / name


@dataclass(slots=True)
class Lab:
    """A lab's record, which it keeps on disk as it changes, and its machines."""

    paths: Paths
    record: Record
    journal: Journal
    sandbox: Sandbox
    keys: Keys

    @classmethod
    def open(cls, paths: Paths, record: Record) -> Self:
        directory = paths.lab(record.name)
        journal = Journal(
            directory / "journal.jsonl", owner=paths.caller, boot_id=current_boot_id()
        )
        sandbox = Sandbox(
            lab_id=record.lab_id,
            directory=directory,
            store=layout.artifacts(paths),
            nodes=record.nodes,
            placement=placement.of_this_host(),
            journal=journal,
            owner=paths.caller,
        )
        return cls(paths, record, journal, sandbox, Keys(directory / "keys"))

    @classmethod
    def load(cls, paths: Paths, name: str) -> Self:
        return cls.open(paths, records.load(paths, name))

    @property
    def directory(self) -> Path:
        return self.paths.lab(self.record.name)

    @property
    def machines(self) -> Machines:
        """Return what its nodes are: of the sandbox, containers of kind, or of an inventory."""
        if self.record.kind:
            return Kinded(self.record.name, self.record.kind)
        if not self.record.hosts:
            return Sandboxed(self.record.name, self.sandbox, self.keys)
        hosts = {host.name: host for host in self.record.hosts.values()}
        return OwnHosts(hosts, self.ssh(), self.keys.known_hosts)

    def ssh(self) -> Ssh:
        """Return how machines of an inventory are logged in to: as the caller would."""
        return Ssh(self.paths.caller.home, accepted_keys(self.paths, self.record.name))

    @property
    def kubeconfig(self) -> Path:
        return self.directory / "kubeconfig"

    def update(self, **changes: object) -> None:
        """Change the record, on disk first."""
        changed = replace(self.record, **changes)  # type: ignore[arg-type]
        records.save(self.paths, changed)
        self.record = changed

    def set_nodes(self, nodes: Iterable[Node], **changes: object) -> None:
        """Change which nodes the lab should have."""
        changed = self.record.with_nodes(nodes)
        self.record = replace(changed, **changes)  # type: ignore[arg-type]
        records.save(self.paths, self.record)
        self.sandbox = replace(self.sandbox, nodes=self.record.nodes)

    def set_hosts(self, hosts: Mapping[int, Host]) -> None:
        """Change which machines of an inventory the lab's nodes are."""
        changed = self.record.with_hosts(hosts)
        records.save(self.paths, changed)
        self.record = changed

    def access(self, admin: str, server: Node | None = None) -> Access:
        """Return the admin's access to the API as this host reaches it, at `server` if it can."""
        access = kubeconfig.parse(admin, origin="the admin's kubeconfig of a server")
        urls = self.api_urls()
        own = f"https://{server.address}:{API_PORT}" if server else ""
        return replace(access, server=own if own in urls else urls[0])

    def write_kubeconfig(self, admin: str, server: Node | None = None) -> None:
        text = kubeconfig.render(self.access(admin, server), name=f"lab-{self.record.name}")
        write_atomic(self.kubeconfig, text, owner=self.paths.caller)

    def has_own_kubeconfig(self) -> bool:
        """Whether it is there and leads to where this lab's API is; asks no cluster."""
        try:
            access = kubeconfig.parse(self.kubeconfig.read_text(), origin=str(self.kubeconfig))
        except (FileNotFoundError, UnicodeDecodeError, ClusterError):
            return False
        expected = self.record.identity
        return bool(
            expected and access.ca_sha256 == expected.ca_sha256 and access.server in self.api_urls()
        )

    def connect(self, *, timeout_s: float = 10) -> Client:
        """Return a client for the lab's cluster, proved to be the lab's."""
        if not self.record.identity or not self.kubeconfig.exists():
            raise ClusterError(
                f"lab {self.record.name!r} has no cluster yet",
                hint=f"lab up --name {self.record.name}",
            )
        text = self.kubeconfig.read_text()
        *others, last = self._ways(text)
        for way in others:
            with suppress(ClusterUnreachable):
                return self._connect(way, timeout_s)
        return self._connect(last, timeout_s)

    def _connect(self, text: str, timeout_s: float) -> Client:
        assert self.record.identity
        return identity.connect(
            text, self.record.identity, origin=str(self.kubeconfig), timeout_s=timeout_s
        )

    def _ways(self, text: str) -> list[str]:
        """Return the kubeconfig for each server that can be asked, as it is first of all."""
        urls = self.api_urls()
        if len(urls) == 1:
            return [text]
        access = kubeconfig.parse(text, origin=str(self.kubeconfig))
        others = [replace(access, server=url) for url in urls if url != access.server]
        return [text, *(kubeconfig.render(each, name=self.record.name) for each in others)]

    def api_urls(self) -> list[str]:
        """Return where this host finds the API: on loopback, or at each server of an inventory."""
        if self.record.hosts:
            return [f"https://{node.address}:{API_PORT}" for node in self.record.server_nodes]
        return [f"https://127.0.0.1:{self.record.api_port}"]
