"""Bring a lab to where its user wants it: all nodes up, in one cluster, seen to work.

Every step looks first and acts on what is missing, so the same call makes a lab,
goes on with one that was interrupted, starts one that was stopped, and finds
nothing to do on one that is up.
"""

from dataclasses import dataclass, field

from lab.errors import InvalidValue, LabError
from lab.lifecycle import facts, inspection, publish
from lab.lifecycle import record as records
from lab.lifecycle.bounds import BOUNDS, Bounds
from lab.lifecycle.down import remove
from lab.lifecycle.enlist import follow, newcomers, numbered
from lab.lifecycle.inspection import Inventory
from lab.lifecycle.lab import Lab, is_of_hosts, require_root
from lab.lifecycle.lock import exclusive
from lab.lifecycle.making import converge, create, ready_machines
from lab.lifecycle.plan import HOST, Action, Done, plan
from lab.lifecycle.record import Record, nodes_from
from lab.lifecycle.removal import end_removal
from lab.lifecycle.stop import refuse_own, stop_nodes
from lab.lifecycle.upgrade import Upgrade
from lab.lifecycle.versions import is_wanted
from lab.machines.topology import Node, check_lab_name, make_nodes
from lab.paths import Paths
from lab.progress import Progress
from lab.provision.distribution import Distribution, choose

DEFAULT_NODES = 6


@dataclass(frozen=True, slots=True)
class Result:
    """The lab as it is now, and what was done for it."""

    record: Record
    done: tuple[Action, ...]

    @property
    def changed(self) -> bool:
        return bool(self.done)


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many nodes and servers; None means as many as the lab has, or six and one.

    With an `inventory` its machines are the nodes.
    """

    nodes: int | None = None
    servers: int | None = None
    inventory: Inventory | None = None

    def make_nodes(self) -> tuple[Node, ...]:
        if self.inventory:
            return nodes_from(numbered(self.inventory))
        nodes = DEFAULT_NODES if self.nodes is None else self.nodes
        return make_nodes(nodes, 1 if self.servers is None else self.servers)


def up(
    paths: Paths,
    name: str,
    *,
    wanted: Wanted,
    distribution: Distribution,
    progress: Progress,
    bounds: Bounds = BOUNDS,
    upgrades: bool = True,
) -> Result:
    """Return when the lab is ready, and what had to be done for it.

    With `upgrades` also: to bring it to the version of `distribution`.
    """
    if not (wanted.inventory or is_of_hosts(paths, name)):
        require_root("up")
    check_lab_name(name)
    wanted.make_nodes()
    with exclusive(paths, name):
        lab = _find(paths, name, wanted)
        inventory = _own(lab, wanted)
        way = _Way(paths, name, wanted, distribution, progress, bounds, inventory)
        return way.go(lab, upgrades=upgrades)


@dataclass(slots=True)
class _Way:
    """One `lab up`, with the lab's lock held."""

    paths: Paths
    name: str
    wanted: Wanted
    distribution: Distribution
    progress: Progress
    bounds: Bounds
    inventory: Inventory | None
    done: Done = field(default_factory=Done)

    def go(self, lab: Lab | None, *, upgrades: bool) -> Result:
        present = lab.record.version if lab else self.distribution.version
        upgrades = upgrades and is_wanted(
            present, self.distribution.version, name=self.name, can=self.distribution.upgrades
        )
        is_fine = lab is not None and self._is_fine(lab)
        if lab and is_fine and not upgrades:
            return Result(lab.record, ())
        lab = self._prepare(lab)
        if not is_fine:
            converge(lab, self.distribution, self.bounds, self.progress, self.done)
        if upgrades:
            Upgrade(lab, self.distribution, self.bounds, self.progress, self.done).run()
        return Result(lab.record, tuple(self.done.actions))

    def _is_fine(self, lab: Lab) -> bool:
        """Whether the lab has the nodes it should, and all of them are as they were checked."""
        is_same = self.inventory is None or not newcomers(lab.record, self.inventory)
        return is_same and not lab.record.removing and is_up(lab)

    def _prepare(self, lab: Lab | None) -> Lab:
        """Return the lab with what was cut short ended, and with the nodes it should have."""
        nodes = lab.record.nodes if lab else self.wanted.make_nodes()
        if lab and not _end_leaving(lab, self.progress, self.done):
            lab = None
        if self.inventory:
            look_at(self.paths, self.name, lab, self.inventory, self.distribution, self.progress)
        if lab is None:
            return self._create(nodes)
        if lab.record.leaver:
            self._end_removal(lab, lab.record.leaver)
        if self.inventory:
            lab.set_hosts(follow(lab.record, self.inventory))
        return lab

    def _create(self, nodes: tuple[Node, ...]) -> Lab:
        return create(
            self.paths,
            self.name,
            nodes_from(numbered(self.inventory)) if self.inventory else nodes,
            self.distribution,
            self.progress,
            self.done,
            hosts=numbered(self.inventory) if self.inventory else {},
        )

    def _end_removal(self, lab: Lab, leaver: Node) -> None:
        self.done.add(leaver.name, "remove")
        # It is taken out of a cluster that runs: the host may have been off meanwhile.
        ready_machines(lab, self.distribution, self.bounds, self.progress, self.done)
        end_removal(lab, self.distribution, self.bounds, self.progress)


def plan_up(
    paths: Paths, name: str, *, wanted: Wanted, distribution: Distribution, progress: Progress
) -> tuple[Action, ...]:
    """Return what `up` would do now; writes nothing, and looks at machines of an inventory.

    Raises HostUnfit with all that keeps any of them from being a node.
    """
    check_lab_name(name)
    nodes = wanted.make_nodes()
    lab = _find(paths, name, wanted)
    inventory = _own(lab, wanted)
    coming = newcomers(lab.record, inventory) if lab and inventory else ()
    if inventory and (lab is None or coming or not is_up(lab)):
        look_at(paths, name, lab, inventory, distribution, progress)
    if lab:
        return plan(facts.of_lab(lab, distribution, newcomers=coming))
    make = facts.of_new_hosts if inventory else facts.of_new_lab
    return plan(make(paths, nodes, distribution))


def _own(lab: Lab | None, wanted: Wanted) -> Inventory | None:
    """Return the inventory that is given, or else the one that the lab was made with."""
    if wanted.inventory or lab is None or not lab.record.hosts:
        return wanted.inventory
    leaver = lab.record.removing
    return Inventory(tuple(h for number, h in lab.record.hosts.items() if number != leaver))


def look_at(
    paths: Paths,
    name: str,
    lab: Lab | None,
    inventory: Inventory,
    distribution: Distribution,
    progress: Progress,
) -> None:
    """Look at all machines before anything is put on any; those that are no nodes must be fit."""
    joined = lab.record.joined if lab else ()
    inspection.inspect(
        inventory,
        [host for host in inventory.hosts if host.name not in joined],
        distribution,
        ssh=inspection.ssh_of(paths, name, inventory),
        lab_id=lab.record.lab_id if lab else "",
        progress=progress,
    )


def is_up(lab: Lab) -> bool:
    """Whether everything runs and can be reached from the host's loopback."""
    return publish.is_all_published(lab) and is_cluster_up(lab)


def is_cluster_up(lab: Lab) -> bool:
    """Whether the nodes run, and the cluster says that it is as it was when it was checked."""
    return not facts.why_not_up(lab)


def _end_leaving(lab: Lab, progress: Progress, done: Done) -> bool:
    """End a stop or a down that was cut short; return whether the lab is still there.

    A node that is on its way down, or whose disk is half deleted, must not count as one
    that runs.
    """
    if lab.record.leaving:
        done.add(HOST, f"end {lab.record.leaving}")
    match lab.record.leaving:
        case "stop":
            stop_nodes(lab, progress)
        case "down":
            remove(lab.paths, lab.record.name, progress)
            return False
    return True


def _find(paths: Paths, name: str, wanted: Wanted) -> Lab | None:
    if not (paths.lab(name) / records.FILE).exists():
        return None
    lab = Lab.load(paths, name)
    record = lab.record
    if record.kind:
        raise InvalidValue(
            f"the nodes of lab {name!r} are containers of kind",
            hint=f"lab up --on kind --name {name}, or another --name",
        )
    if wanted.inventory and not record.hosts:
        raise InvalidValue(
            f"lab {name!r} has nodes that lab made, and --inventory names others",
            hint=f"lab up --name OTHER --inventory FILE, or lab down --name {name} first",
        )
    if wanted.nodes not in (None, record.node_count):
        raise InvalidValue(
            f"lab {name!r} has {record.node_count} nodes and --nodes is {wanted.nodes}",
            hint=f"lab node add --name {name}, or lab node remove --name {name} NODE",
        )
    if wanted.servers not in (None, len(record.servers)):
        raise InvalidValue(
            f"lab {name!r} has {len(record.servers)} servers and --servers is {wanted.servers}",
            hint=f"lab down --name {name}, or another --name",
        )
    return lab


def start(paths: Paths, name: str, *, progress: Progress, bounds: Bounds = BOUNDS) -> Result:
    """Boot a stopped lab as it was made, with the artifacts it was made from."""
    refuse_own(paths, name)
    require_root("start")
    recorded = records.load(paths, name)
    if recorded.leaving == "down":
        raise LabError(f"lab {name!r} is half removed", hint=f"lab down --name {name}")
    return up(
        paths,
        name,
        wanted=Wanted(),
        upgrades=False,
        distribution=choose(recorded.distribution),
        progress=progress,
        bounds=bounds,
    )
