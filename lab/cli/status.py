"""lab status, lab list: what there is and how it is."""

import typer

from lab.cli import _output
from lab.cli._options import Json, Name


def status(name: Name = "lab", json: Json = False) -> None:
    """Show a lab's nodes as the host and as the cluster see them.

    Exit code 0 when all is up, 4 when it is not.

    Examples:

        lab status

        lab status --json
    """
    from lab.errors import EXIT_FAILED
    from lab.lifecycle.status import status
    from lab.paths import find_paths

    found = status(find_paths(), name)
    if json:
        _output.show_json(found)
    else:
        version = f"{found.distribution} {found.version}"
        _output.show(f"Lab {found.name}: {found.state}, {version}, {found.api or 'no API'}")
        if found.service:
            _output.show(f"Service: {found.service}")
        _output.show("")
        rows = [
            (
                node.name,
                node.role,
                node.address,
                "on" if node.running else "off",
                {True: "Ready", False: "NotReady", None: "Unknown"}[node.ready],
                "" if node.ready else node.reason,
            )
            for node in found.nodes
        ]
        _output.show_table(("node", "role", "address", "power", "status", "reason"), rows)
        if found.problem:
            _output.note(f"\nThe cluster could not be asked: {found.problem}")
    if found.state != "up":
        raise typer.Exit(EXIT_FAILED)


def list_labs(json: Json = False) -> None:
    """List the labs of the calling user.

    Examples:

        lab list

        lab list --json
    """
    from lab.lifecycle.status import list_all
    from lab.paths import find_paths

    found = list_all(find_paths())
    if json:
        _output.show_json([{"name": n, "state": s, "nodes": c} for n, s, c in found])
    elif found:
        _output.show_table(("name", "state", "nodes"), [(n, s, str(c)) for n, s, c in found])
    else:
        _output.note("No labs. Make one: sudo lab up")
