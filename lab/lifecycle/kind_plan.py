"""What is wanted of a lab on kind, what is there of it, and what would be done? Changes nothing."""

from dataclasses import dataclass

from lab import artifacts
from lab.artifacts import Recipe
from lab.artifacts import kind as kind_artifacts
from lab.errors import InvalidValue
from lab.lifecycle import facts
from lab.lifecycle import record as records
from lab.lifecycle.lab import Lab
from lab.lifecycle.plan import CLUSTER, HOST, Action
from lab.machines.topology import Node, check_lab_name, make_nodes
from lab.paths import Paths

DEFAULT_NODES = 6


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many nodes, None for as many as there are or six; `image` empty for lab's own."""

    nodes: int | None = None
    image: str = ""

    def make_nodes(self) -> tuple[Node, ...]:
        return make_nodes(DEFAULT_NODES if self.nodes is None else self.nodes)


def cluster_name(name: str) -> str:
    """Return what kind calls the cluster of the lab of that name."""
    return f"lab-{name}"


def recipes(image: str) -> tuple[Recipe, ...]:
    """Return what has to be built: with a node image of somebody else, little."""
    if image:
        return kind_artifacts.guest_recipes()
    return kind_artifacts.kind_recipes()


def plan_up(paths: Paths, name: str, wanted: Wanted) -> tuple[Action, ...]:
    """Return what `up` would do now; asks Docker and the cluster, and changes nothing."""
    check_lab_name(name)
    nodes = wanted.make_nodes()
    lab = find(paths, name, wanted)
    if lab and not facts.why_not_up(lab):
        return ()
    if lab and is_made(lab):
        running = lab.machines.running(lab.record.nodes)
        off = [node for node in lab.record.nodes if node.name not in running]
        starts = [Action(node.name, "start", "its container does not run") for node in off]
        return (*starts, Action(CLUSTER, "check", facts.why_not_up(lab)))
    builds = artifacts.missing(recipes(wanted.image), paths)
    found = [Action(HOST, f"build {each}", "it is not in the cache") for each in builds]
    if lab:
        found.append(Action(HOST, "remove", "making it was cut short"))
    return (
        *found,
        Action(HOST, f"make cluster {cluster_name(name)}", f"no lab of {len(nodes)} nodes yet"),
        Action(CLUSTER, "check", "it has not been checked yet"),
    )


def is_made(lab: Lab) -> bool:
    """Whether kind came to its end, and nobody has begun to take it away."""
    return lab.record.is_complete and lab.record.leaving != "down"


def find(paths: Paths, name: str, wanted: Wanted) -> Lab | None:
    if not (paths.lab(name) / records.FILE).exists():
        return None
    lab = Lab.load(paths, name)
    record = lab.record
    other = f"lab down --name {name}, or another --name"
    if record.kind is None:
        raise InvalidValue(f"lab {name!r} is there, and its nodes are none of kind", hint=other)
    if not is_made(lab):
        return lab
    if wanted.nodes not in (None, record.node_count):
        raise InvalidValue(
            f"lab {name!r} has {record.node_count} nodes and --nodes is {wanted.nodes}", hint=other
        )
    if wanted.image and wanted.image != record.kind.image:
        has = record.kind.image or "lab's own image"
        raise InvalidValue(
            f"lab {name!r} has nodes of {has}, and --image is {wanted.image!r}", hint=other
        )
    return lab
