"""Options that several commands share, and what completes them."""

from pathlib import Path
from typing import Annotated

import typer


def complete_lab(incomplete: str) -> list[str]:
    from lab.lifecycle import record
    from lab.paths import find_paths

    return [name for name in record.names(find_paths()) if name.startswith(incomplete)]


def complete_node(context: typer.Context, incomplete: str) -> list[str]:
    from lab.errors import LabError
    from lab.lifecycle import record
    from lab.paths import find_paths

    try:
        found = record.load(find_paths(), context.params.get("name") or "lab")
    except LabError:
        return []
    return [node.name for node in found.nodes if node.name.startswith(incomplete)]


Name = Annotated[
    str,
    typer.Option(
        "--name",
        help="Which lab.",
        envvar="LAB_NAME",
        metavar="LAB",
        autocompletion=complete_lab,
    ),
]
NodeName = Annotated[
    str, typer.Argument(metavar="NODE", help="n1, n2, ...", autocompletion=complete_node)
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        help="Seconds that booting, becoming Ready and the network check may take, each; "
        "usually 60, 120 and 90.",
        envvar="LAB_TIMEOUT",
        metavar="SECONDS",
        min=1,
    ),
]
Distribution = Annotated[
    str | None,
    typer.Option(
        "--distribution",
        help="How a new lab's cluster is made: k3s or kubeadm; k3s where it can be had.",
        envvar="LAB_DISTRIBUTION",
    ),
]
K3sDir = Annotated[
    Path | None,
    typer.Option(
        "--k3s-dir",
        help="A directory with the files of a k3s release: k3s, its images, sha256sum.",
        file_okay=False,
        exists=True,
    ),
]
K3sMirror = Annotated[
    str | None, typer.Option("--k3s-mirror", help="What stands before the version there.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Runs = Annotated[
    Path | None,
    typer.Option(
        "--runs",
        help="Where runs are kept; usually ~/.local/state/lab/runs.",
        envvar="LAB_RUNS",
        metavar="DIR",
        file_okay=False,
    ),
]
Scenarios = Annotated[
    Path | None,
    typer.Option(
        "--scenarios",
        help="A folder of scenarios other than lab's own.",
        envvar="LAB_SCENARIOS",
        metavar="DIR",
        exists=True,
        file_okay=False,
    ),
]
