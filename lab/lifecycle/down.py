"""Take back everything a lab changed on the host, in whatever state it is."""

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace

from lab.errors import LabError, NodeUnreachable, NoSpace, NoSuchLab
from lab.journal import Change
from lab.lifecycle import own_hosts, publish
from lab.lifecycle import record as records
from lab.lifecycle.comparison import Comparison
from lab.lifecycle.lab import Lab, accepted_keys, is_of_hosts, require_power
from lab.lifecycle.lock import exclusive
from lab.machines import kind, sysctls
from lab.machines.kind import KindCluster
from lab.machines.topology import check_lab_name, find_node
from lab.paths import Paths
from lab.progress import Progress

# The change that a cluster of kind is, whose undoing needs what KindCluster holds.
KIND = "kind"

Compared = Callable[[Comparison], object]


@dataclass(frozen=True, slots=True)
class Removed:
    """How many changes were taken back; of machines of an inventory, how each is beside before."""

    name: str
    changes: int
    hosts: tuple[Comparison, ...] = ()


def down(paths: Paths, name: str, *, progress: Progress, force: bool = False) -> Removed:
    """Remove the lab; raises NoSuchLab when there is nothing of that name.

    With `force` also where machines of an inventory cannot be reached: what was put on them
    stays there, and is forgotten here.
    """
    if not is_of_hosts(paths, name):
        require_power(paths, name, "down")
    check_lab_name(name)
    _require_lab(paths, name)
    with exclusive(paths, name):
        # Another `lab down` may have ended since.
        _require_lab(paths, name)
        hosts: list[Comparison] = []
        changes = remove(paths, name, progress, force=force, compared=hosts.append)
    return Removed(name, changes, tuple(sorted(hosts, key=lambda each: each.host)))


def remove(
    paths: Paths,
    name: str,
    progress: Progress,
    *,
    force: bool = False,
    compared: Compared = lambda _: None,
) -> int:
    """Do it with the lab's lock held; return how many changes were taken back."""
    changes = undo_all(_load(paths, name), progress, force=force, compared=compared)
    shutil.rmtree(paths.lab(name))
    accepted_keys(paths, name).unlink(missing_ok=True)
    return changes


def _require_lab(paths: Paths, name: str) -> None:
    if not paths.lab(name).is_dir():
        raise NoSuchLab(f"no lab called {name!r}", hint="lab list")


def _load(paths: Paths, name: str) -> Lab:
    """Load the lab; without a record that can be read, the journal knows what undoing needs."""
    try:
        return Lab.load(paths, name)
    except LabError:
        lab = Lab.open(paths, records.unknown(name))
        numbers = [1]
        for change in lab.journal.open_changes():
            if change.kind == "machine":
                numbers.append(int(change.what.removeprefix("n")))
            elif change.kind not in (own_hosts.KIND, own_hosts.LEFT, KIND):
                lab.record = replace(lab.record, lab_id=change.what)
        return Lab.open(paths, replace(lab.record, node_count=max(numbers)))


def undo_all(
    lab: Lab, progress: Progress, *, force: bool = False, compared: Compared = lambda _: None
) -> int:
    """Undo newest first; one that fails does not keep the others from being undone.

    A full disk is no obstacle, nor is a directory in the record's place: what cannot be
    noted is undone again by the next try.
    """
    with suppress(NoSpace, IsADirectoryError):
        lab.update(gate_passed=False, leaving="down")
    changes = _changes(lab)
    failures: list[LabError] = []
    with progress.task(f"Removing lab {lab.record.name}") as task:
        _cut_power(lab, changes)
        kept = _give_back(lab, changes, compared, force=force)
        for number, change in enumerate(changes, start=1):
            try:
                if change.what in kept and change.kind == own_hosts.KIND:
                    raise kept[change.what]
                _UNDO[change.kind](lab, change)
                with suppress(NoSpace):
                    lab.journal.undone(change)
            except LabError as exc:
                failures.append(exc)
            task.advance(number, len(changes), f"{change.kind} {change.what}")
    if failures:
        raise _as_one(failures)
    return len(changes)


def _as_one(failures: list[LabError]) -> LabError:
    """Return one error that tells all of them; the hint is that of the first."""
    first = failures[0]
    if len(failures) == 1:
        return first
    lines = "\n".join(f"  {failure.message}" for failure in failures)
    return type(first)(f"{len(failures)} changes are not taken back:\n{lines}", hint=first.hint)


def _give_back(
    lab: Lab, changes: list[Change], compared: Compared, *, force: bool
) -> dict[str, LabError]:
    """Take all off machines of an inventory; return why it is not off, by the node's name."""
    kept = own_hosts.take_off(lab, changes, compared)
    if not force:
        return kept
    return {name: each for name, each in kept.items() if not isinstance(each, NodeUnreachable)}


def _changes(lab: Lab) -> list[Change]:
    """Return what the journal holds; if it is damaged, all that a lab can ever change.

    Undoing what was never done does nothing.
    """
    try:
        return lab.journal.open_changes()
    except LabError:
        if lab.record.hosts:
            return [
                Change(0, own_hosts.KIND, host.name, "", own_hosts.undo_of(lab.record, host))
                for host in lab.record.hosts.values()
            ]
        lab_id = lab.record.lab_id
        if lab.record.kind:
            return [Change(0, KIND, lab_id, "", asdict(lab.record.kind))]
        machines = [("machine", node.name) for node in reversed(lab.record.nodes)]
        known = [("forwarder", lab_id), *machines, ("network", lab_id), ("sysctls", lab_id)]
        return [Change(0, kind, what, "") for kind, what in known]


def _cut_power(lab: Lab, changes: list[Change]) -> None:
    """Stop all nodes side by side, before they are removed one after the other."""
    names = {change.what for change in changes if change.kind == "machine"}
    lab.sandbox.power_off([node for node in lab.record.nodes if node.name in names])


def _undo_machine(lab: Lab, change: Change) -> None:
    lab.sandbox.destroy([find_node(lab.record.nodes, change.what)])


def _undo_network(lab: Lab, change: Change) -> None:
    lab.sandbox.destroy_network()


def _undo_forwarder(lab: Lab, change: Change) -> None:
    publish.withdraw(lab)


def _undo_sysctls(lab: Lab, change: Change) -> None:
    sysctls.release(lab.record.lab_id)


def _undo_kind(lab: Lab, change: Change) -> None:
    kind.remove(KindCluster(**change.undo))


_UNDO: dict[str, Callable[[Lab, Change], None]] = {
    "machine": _undo_machine,
    # All of them were taken off side by side before.
    own_hosts.KIND: lambda lab, change: None,
    own_hosts.LEFT: lambda lab, change: None,
    KIND: _undo_kind,
    "network": _undo_network,
    "forwarder": _undo_forwarder,
    "sysctls": _undo_sysctls,
}
