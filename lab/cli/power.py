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
    from lab.lifecycle import kind_up
    from lab.lifecycle.bounds import Bounds
    from lab.lifecycle.lab import is_of_kind
    from lab.lifecycle.up import start
    from lab.paths import find_paths

    paths, progress, bounds = find_paths(), _output.make_progress(), Bounds.of(timeout)
    if is_of_kind(paths, name):
        changed = kind_up.start(paths, name, progress=progress, bounds=bounds)
    else:
        changed = start(paths, name, progress=progress, bounds=bounds).changed
    if json:
        _output.show_json({"name": name, "changed": changed})
    else:
        _output.show(f"Lab {name} {'is up' if changed else 'was up already'}")
