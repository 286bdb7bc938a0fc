"""lab up: make a lab, or bring one to where it should be."""

from typing import Annotated

import typer

from lab.cli import _output
from lab.cli._options import Json, Name, Timeout


def up(
    name: Name = "lab",
    nodes: Annotated[
        int | None, typer.Option("--nodes", help="How many nodes; 6 for a new lab.")
    ] = None,
    distribution: Annotated[
        str, typer.Option("--distribution", help="How the cluster is made: kubeadm.")
    ] = "kubeadm",
    timeout: Timeout = None,
    json: Json = False,
) -> None:
    """Make a lab of real nodes on this host, or bring one to where it should be.

    A second run changes nothing and says so; after an interruption it goes on.

    Examples:

        sudo lab up

        sudo lab up --name demo --nodes 3
    """
    from lab.lifecycle.bounds import Bounds
    from lab.lifecycle.up import up
    from lab.paths import find_paths
    from lab.provision.distribution import choose

    progress = _output.make_progress()
    result = up(
        find_paths(),
        name,
        node_count=nodes,
        distribution=choose(distribution),
        progress=progress,
        bounds=Bounds.of(timeout),
    )
    record = result.record
    if json:
        _output.show_json(
            {
                "name": record.name,
                "changed": result.changed,
                "distribution": record.distribution,
                "version": record.version,
                "nodes": [node.name for node in record.nodes],
                "kubeconfig": str(find_paths().lab(name) / "kubeconfig"),
                "phases": [{"phase": title, "seconds": s} for title, s in progress.finished],
            }
        )
        return
    state = "is ready" if result.changed else "is up already; nothing was changed"
    _output.show(
        f"Lab {record.name} {state}: {record.node_count} nodes, {record.distribution} "
        f"{record.version}"
    )
    if result.changed:
        _show_next(name, record.nodes[-1].name)


def _show_next(name: str, node: str) -> None:
    option = "" if name == "lab" else f" --name {name}"
    _output.show(
        "\nTry next:\n"
        f"  lab status{option}\n"
        f"  lab kubectl{option} get pods -A -o wide\n"
        f'  kubectl --kubeconfig "$(lab kubeconfig{option})" get nodes\n'
        f"  lab ssh{option} {node}\n"
        f"  lab down{option}"
    )
