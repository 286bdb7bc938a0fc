"""lab down: remove a lab and everything it changed on the host."""

from typing import Annotated

import typer

from lab.cli import _output
from lab.cli._options import Json, Name, Yes


def down(
    name: Name = "lab",
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Forget machines of an inventory that cannot be reached any more."
        ),
    ] = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Remove a lab with its nodes and their data, whatever state it is in.

    From machines of an inventory all is taken off that was put on, and nothing else; how each
    differs from before is told. The cache
    of downloads and builds stays; see lab artifacts prune.

    Examples:

        sudo lab down

        sudo lab down --name demo --yes
    """
    from lab.lifecycle.down import down
    from lab.paths import find_paths

    paths = find_paths()
    if not yes and paths.lab(name).is_dir():
        _output.confirm(f"Remove lab {name} with its nodes and all their data?")
    removed = down(paths, name, progress=_output.make_progress(), force=force)
    if json:
        _output.show_json(removed)
    else:
        _output.show(f"Lab {name} is gone; {removed.changes} changes to the host were taken back")
        for host in removed.hosts:
            _output.show(host.text)
