"""What lab remembers of a lab it made: `lab.json` in the lab's directory."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from lab.errors import InvalidValue, LabError, NoSuchLab
from lab.files import write_json
from lab.kube.identity import Identity
from lab.machines.inventory import Host
from lab.machines.kind import KindCluster
from lab.machines.topology import MAX_NODES, Node, check_lab_name, home, is_lab_name, nodes_of
from lab.paths import Paths

FORMAT = 1
FILE = "lab.json"


@dataclass(frozen=True, slots=True)
class Record:
    """One lab.

    `service_port` is where the sample service is on the host's loopback, 0 as long as there is
    none. `servers` are the numbers of the servers, `numbers` those of all nodes, or empty as long
    as these are 1 to `node_count`. `joined` holds the names of nodes that are known to be part of
    the cluster. `leaving` is the command, stop or down, that began to take the lab away and has
    not ended, `removing` the number of a node that is being removed, or 0,
    `upgrading` the version that an upgrade brings, from its begin to its end. `hosts` are the
    machines of an inventory by the number of their node, and empty where lab made the nodes.
    `kind` is the cluster of kind whose containers the nodes are, None for all others; `once`: it
    was made for one command, which removes it.
    """

    name: str
    lab_id: str
    created: str
    node_count: int
    distribution: str
    version: str
    artifacts: dict[str, str]
    api_port: int = 0
    service_port: int = 0
    identity: Identity | None = None
    joined: tuple[str, ...] = ()
    gate_passed: bool = False
    leaving: str = ""
    servers: tuple[int, ...] = (1,)
    numbers: tuple[int, ...] = ()
    removing: int = 0
    upgrading: str = ""
    hosts: Mapping[int, Host] = field(default_factory=dict)
    kind: KindCluster | None = None
    once: bool = False
    format: int = field(default=FORMAT)

    @property
    def nodes(self) -> tuple[Node, ...]:
        if self.hosts:
            return nodes_from(self.hosts)
        return nodes_of(self.numbers or range(1, self.node_count + 1), self.servers)

    @property
    def leaver(self) -> Node | None:
        """Return the node that is being removed, if there is one."""
        return next((node for node in self.nodes if node.number == self.removing), None)

    @property
    def staying(self) -> tuple[Node, ...]:
        """Return the nodes without the one that is being removed."""
        return tuple(node for node in self.nodes if node.number != self.removing)

    @property
    def server_nodes(self) -> tuple[Node, ...]:
        """Return the servers in the order of their numbers, which says nothing of their state."""
        return tuple(node for node in self.nodes if node.is_server)

    @property
    def home(self) -> Node:
        """Return the server that is kept free, and is home to the observer."""
        return home(self.nodes)

    @property
    def is_complete(self) -> bool:
        """Whether every node is known to be part of the cluster, and none is being removed."""
        return len(self.joined) == self.node_count and not (self.removing or self.leaving == "down")

    @property
    def versions(self) -> tuple[str, ...]:
        """Return the versions that nodes may have: two in the midst of an upgrade."""
        return (self.version, self.upgrading) if self.upgrading else (self.version,)

    def with_nodes(self, nodes: Iterable[Node]) -> Self:
        """Return the record with these nodes; of others it is forgotten that they had joined."""
        kept = tuple(nodes)
        names = {node.name for node in kept}
        return replace(
            self,
            node_count=len(kept),
            numbers=tuple(node.number for node in kept),
            servers=tuple(node.number for node in kept if node.is_server),
            joined=tuple(name for name in self.joined if name in names),
            hosts={n.number: self.hosts[n.number] for n in kept if n.number in self.hosts},
        )

    def with_hosts(self, hosts: Mapping[int, Host]) -> Self:
        """Return the record with these machines as its nodes."""
        return replace(self, hosts=dict(hosts)).with_nodes(nodes_from(hosts))

    def with_joined(self, *names: str) -> Self:
        return replace(self, joined=tuple(sorted({*self.joined, *names})))


def nodes_from(hosts: Mapping[int, Host]) -> tuple[Node, ...]:
    """Return the nodes that machines of an inventory are, by their numbers."""
    return tuple(
        Node(number, is_server=host.is_server, called=host.name, at=host.address)
        for number, host in sorted(hosts.items())
    )


def load(paths: Paths, name: str) -> Record:
    """Raise NoSuchLab when there is none of that name."""
    file = paths.lab(check_lab_name(name)) / FILE
    try:
        value = json.loads(file.read_text())
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise NoSuchLab(f"no lab called {name!r}", hint=_hint(paths, name)) from exc
    except PermissionError as exc:
        raise NoSuchLab(
            f"{file} belongs to another user", hint=f"sudo lab status --name {name}"
        ) from exc
    except (ValueError, IsADirectoryError) as exc:
        raise LabError(f"{file} is damaged ({exc})", hint=f"lab down --name {name}") from exc
    return parse(value, origin=str(file), name=name)


def parse(value: Any, *, origin: str, name: str) -> Record:
    """Return the record of lab `name`; raise LabError for what `save` did not write."""
    hint = f"lab down --name {name}"
    if not isinstance(value, dict):
        raise LabError(f"{origin} is damaged (it holds no record)", hint=hint)
    if value.get("format") != FORMAT:
        raise LabError(
            f"{origin} has format {value.get('format')!r}, this lab reads format {FORMAT}",
            hint=hint,
        )
    identity, kind = value.get("identity"), value.get("kind")
    try:
        record = Record(
            **value
            | {
                "artifacts": dict(value["artifacts"]),
                "identity": Identity(**identity) if identity else None,
                "joined": tuple(value["joined"]),
                "kind": KindCluster(**kind) if kind else None,
                "servers": tuple(value.get("servers", (1,))),
                "numbers": tuple(value.get("numbers", ())),
                "hosts": {
                    int(number): Host.from_dict(host)
                    for number, host in value.get("hosts", {}).items()
                },
            }
        )
        _check_nodes(record)
    except (TypeError, ValueError, KeyError, AttributeError, InvalidValue) as exc:
        raise LabError(f"{origin} is damaged ({exc})", hint=hint) from exc
    return record


def _check_nodes(record: Record) -> None:
    numbers = [node.number for node in record.nodes]
    if not numbers or not all(1 <= number <= MAX_NODES for number in numbers):
        raise ValueError(f"its nodes are {numbers}")
    if len(numbers) != record.node_count or not set(record.servers) <= set(numbers):
        raise ValueError(f"nodes {numbers} of {record.node_count}, servers {record.servers}")


def unknown(name: str) -> Record:
    """Return what stands for a record that cannot be read."""
    return Record(
        name=name,
        lab_id="",
        created="",
        node_count=1,
        distribution="",
        version="",
        artifacts={},
    )


def save(paths: Paths, record: Record) -> None:
    hosts = {str(number): host.to_dict() for number, host in record.hosts.items()}
    value = asdict(replace(record, hosts={})) | {"hosts": hosts}
    write_json(paths.lab(record.name) / FILE, value, owner=paths.caller)


def names(paths: Paths) -> list[str]:
    """Return every lab of the calling user, also one whose creation was cut short."""
    if not paths.data.is_dir():
        return []
    return sorted(
        path.name for path in paths.data.iterdir() if is_lab_name(path.name) and path.is_dir()
    )


def artifacts_in_use(paths: Paths) -> set[Path]:
    """Return the artifact directories that some lab's nodes stand on."""
    used: set[Path] = set()
    for name in names(paths):
        if (paths.lab(name) / FILE).exists():
            used.update(Path(path) for path in load(paths, name).artifacts.values())
    return used


def _hint(paths: Paths, name: str) -> str:
    return "lab list" if names(paths) else f"lab up --name {name}"
