"""Stop a lab's nodes and keep their disks, or start them again."""

from lab.lifecycle import publish
from lab.lifecycle.lab import Lab, require_root
from lab.lifecycle.lock import exclusive
from lab.machines import sysctls
from lab.paths import Paths
from lab.progress import Progress


def stop(paths: Paths, name: str, *, progress: Progress) -> bool:
    """Shut all nodes down cleanly; return whether any ran.

    Everything but the disks is given back to the host, so a stopped lab costs
    only their space; `lab start` or `lab up` makes the rest again.
    """
    require_root("stop")
    Lab.load(paths, name)
    with exclusive(paths, name):
        lab = Lab.load(paths, name)
        running = [node for node in lab.record.nodes if lab.sandbox.is_running(node)]
        with progress.task(f"Stopping {len(running)} nodes"):
            lab.sandbox.stop(running)
        publish.withdraw(lab)
        lab.sandbox.destroy_network()
        sysctls.release(lab.record.lab_id)
        lab.update(gate_passed=False)
        for change in lab.journal.open_changes():
            if change.kind != "machine":
                lab.journal.undone(change)
    return bool(running)
