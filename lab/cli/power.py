"""lab stop, lab start: turn a lab's nodes off and on, keeping their disks."""

from lab.cli import _output
from lab.cli._options import Json, Name, Timeout


def stop(name: Name = "lab", json: Json = False) -> None:
    """Shut all nodes of a lab down cleanly and keep their disks.

    Examples:

        sudo lab stop

        sudo lab stop --name demo
    """
    from lab.lifecycle.stop import stop
    from lab.paths import find_paths

    changed = stop(find_paths(), name, progress=_output.make_progress())
    if json:
        _output.show_json({"name": name, "changed": changed})
    else:
        _output.show(f"Lab {name} {'is stopped' if changed else 'was stopped already'}")


def start(name: Name = "lab", timeout: Timeout = None, json: Json = False) -> None:
    """Boot the nodes of a stopped lab and wait until the cluster works again.

    Examples:

        sudo lab start

        sudo lab start --name demo
    """
    from lab.lifecycle.bounds import Bounds
    from lab.lifecycle.up import start
    from lab.paths import find_paths

    progress = _output.make_progress()
    result = start(find_paths(), name, progress=progress, bounds=Bounds.of(timeout))
    if json:
        _output.show_json({"name": name, "changed": result.changed})
    else:
        _output.show(f"Lab {name} {'is up' if result.changed else 'was up already'}")
