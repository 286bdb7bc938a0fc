"""Stop a lab's nodes and keep their disks, or start them again."""

from lab.errors import InvalidValue, LabError
from lab.lifecycle import publish
from lab.lifecycle.lab import Lab, is_of_hosts, require_power
from lab.lifecycle.lock import exclusive
from lab.machines import kind, sysctls
from lab.paths import Paths
from lab.progress import Progress


def stop(paths: Paths, name: str, *, progress: Progress) -> bool:
    """Shut all nodes down cleanly; return whether any ran.

    Everything but the disks is given back to the host, so a stopped lab costs
    only their space; `lab start` or `lab up` makes the rest again.
    """
    refuse_own(paths, name)
    require_power(paths, name, "stop")
    Lab.load(paths, name)
    with exclusive(paths, name):
        lab = Lab.load(paths, name)
        if lab.record.leaving == "down":
            raise LabError(f"lab {name!r} is half removed", hint=f"lab down --name {name}")
        return stop_nodes(lab, progress)


def refuse_own(paths: Paths, name: str) -> None:
    """Raise InvalidValue for a lab whose nodes are machines of an inventory."""
    if is_of_hosts(paths, name):
        raise InvalidValue(
            f"the nodes of lab {name!r} are machines of an inventory: lab has no power over them",
            hint=f"lab down --name {name} takes the cluster off them",
        )


def stop_nodes(lab: Lab, progress: Progress) -> bool:
    """Do it with the lab's lock held; what was begun is on disk, so that `lab up` finishes it."""
    found = lab.machines.running(lab.record.nodes)
    running = [node for node in lab.record.nodes if node.name in found]
    lab.update(gate_passed=False, leaving="stop")
    if lab.record.kind:
        with progress.task(f"Stopping {len(running)} containers"):
            kind.stop(lab.record.kind, running)
        lab.update(leaving="")
        return bool(running)
    with progress.task(f"Stopping {len(running)} nodes"):
        lab.sandbox.stop(running)
    publish.withdraw(lab)
    lab.sandbox.destroy_network()
    sysctls.release(lab.record.lab_id)
    for change in lab.journal.open_changes():
        if change.kind != "machine":
            lab.journal.undone(change)
    lab.update(leaving="")
    return bool(running)
