"""What lab remembers of a lab it made: `lab.json` in the lab's directory."""

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from lab.errors import InvalidValue, LabError, NoSuchLab
from lab.files import write_json
from lab.kube.identity import Identity
from lab.machines.topology import Node, check_lab_name, is_lab_name, make_nodes
from lab.paths import Paths

FORMAT = 1
FILE = "lab.json"


@dataclass(frozen=True, slots=True)
class Record:
    """One lab.

    `service_port` is where the sample service is on the host's loopback, 0 as long as there is
    none. `joined` holds the names of nodes that are known to be part of the cluster. `leaving` is
    the command, stop or down, that began to take the lab away and has not ended.
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
    format: int = field(default=FORMAT)

    @property
    def nodes(self) -> tuple[Node, ...]:
        return make_nodes(self.node_count)

    @property
    def is_complete(self) -> bool:
        """Whether every node is known to be part of the cluster, and none is being removed."""
        return len(self.joined) == self.node_count and self.leaving != "down"

    def with_joined(self, *names: str) -> Self:
        return replace(self, joined=tuple(sorted({*self.joined, *names})))


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
    identity = value.get("identity")
    try:
        record = Record(
            **value
            | {
                "artifacts": dict(value["artifacts"]),
                "identity": Identity(**identity) if identity else None,
                "joined": tuple(value["joined"]),
            }
        )
        make_nodes(record.node_count)
    except (TypeError, ValueError, KeyError, InvalidValue) as exc:
        raise LabError(f"{origin} is damaged ({exc})", hint=hint) from exc
    return record


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
    write_json(paths.lab(record.name) / FILE, asdict(record), owner=paths.caller)


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
