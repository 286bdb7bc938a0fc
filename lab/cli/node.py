"""lab node: give a lab more nodes, or take one away."""

from typing import Annotated

import typer

from lab.cli import _output
from lab.cli._options import Json, Name, NodeName, Timeout, Yes

app = typer.Typer(no_args_is_help=True, help="Add nodes to a lab, or remove one.")


@app.command()
def add(
    name: Name = "lab",
    count: Annotated[int, typer.Option("--count", help="How many.")] = 1,
    server: Annotated[
        bool, typer.Option("--server", help="As a server, in the place of one that was removed.")
    ] = False,
    timeout: Timeout = None,
    json: Json = False,
) -> None:
    """Add nodes with the lowest free numbers and let them join.

    Examples:

        sudo lab node add

        sudo lab node add --count 2
    """
    from lab.lifecycle.bounds import Bounds
    from lab.lifecycle.nodes import add
    from lab.paths import find_paths

    progress = _output.make_progress()
    result = add(
        find_paths(),
        name,
        count=count,
        server=server,
        progress=progress,
        bounds=Bounds.of(timeout),
    )
    added = [action.target for action in result.done if action.action.startswith("join")]
    if json:
        nodes = [node.name for node in result.record.nodes]
        _output.show_json({"name": name, "added": added, "nodes": nodes})
    else:
        _output.show(f"Lab {name} has {', '.join(added)} now: {result.record.node_count} nodes")


@app.command()
def remove(
    node: NodeName,
    name: Name = "lab",
    force: Annotated[
        bool, typer.Option("--force", help="Do not drain; give up what only this node has.")
    ] = False,
    yes: Yes = False,
    timeout: Timeout = None,
    json: Json = False,
) -> None:
    """Drain a node, take it out of the cluster and delete its machine.

    Examples:

        sudo lab node remove n6

        sudo lab node remove n4 --force --yes
    """
    from lab.lifecycle.bounds import Bounds
    from lab.lifecycle.nodes import remove
    from lab.paths import find_paths

    if not yes:
        _output.confirm(f"Remove {node} of lab {name} with all that is on it?")
    removal = remove(
        find_paths(),
        name,
        node,
        force=force,
        progress=_output.make_progress(),
        bounds=Bounds.of(timeout),
    )
    if json:
        _output.show_json(removal)
    else:
        _output.show(f"{removal.node} is gone from lab {removal.name}")
