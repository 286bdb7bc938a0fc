"""lab artifacts: what nodes are made from."""

from pathlib import Path
from typing import Annotated

import typer

from lab.cli import _output
from lab.cli._options import Json, Yes

app = typer.Typer(
    no_args_is_help=True,
    help="What nodes are made from: built once, cached, carried to other hosts.",
)

Bundle = Annotated[Path, typer.Argument(metavar="FILE", help="The bundle, one tar archive.")]


@app.command()
def build(json: Json = False) -> None:
    """Build what is not in the cache yet.

    Examples:

        sudo lab artifacts build
    """
    from lab import artifacts
    from lab.lifecycle.cache import all_recipes
    from lab.paths import find_paths

    progress = _output.make_progress()
    built = artifacts.ensure(all_recipes(), paths=find_paths(), progress=progress)
    if json:
        _output.show_json([{"name": a.name, "key": a.key, "path": a.path} for a in built.values()])
    else:
        _output.show(f"{len(built)} artifacts are in the cache")


@app.command("list")
def list_artifacts(json: Json = False) -> None:
    """List what is in the cache.

    Examples:

        lab artifacts list
    """
    from lab.lifecycle.cache import list_cached
    from lab.paths import find_paths

    found = list_cached(find_paths())
    if json:
        _output.show_json(found)
        return
    rows = [
        (item.name, item.key, f"{item.size / 1e6:.0f} MB", item.built, "yes" if item.used else "no")
        for item in found
    ]
    _output.show_table(("name", "key", "size", "built", "in use"), rows)


@app.command("export")
def export_bundle(file: Bundle) -> None:
    """Write everything a lab is made from into one file, for hosts that build nothing.

    Examples:

        sudo lab artifacts export lab-bundle.tar
    """
    from lab import artifacts
    from lab.lifecycle.cache import all_recipes
    from lab.paths import find_paths

    progress = _output.make_progress()
    artifacts.export_bundle(file, all_recipes(), paths=find_paths(), progress=progress)
    _output.show(f"Wrote {file}, {file.stat().st_size / 1e6:.0f} MB")


@app.command("import")
def import_bundle(file: Bundle) -> None:
    """Put the artifacts of a bundle into the cache, after checking every checksum.

    Examples:

        sudo lab artifacts import lab-bundle.tar
    """
    from lab import artifacts
    from lab.paths import find_paths

    placed = artifacts.import_bundle(file, paths=find_paths(), progress=_output.make_progress())
    _output.show(f"Imported {len(placed)} artifacts from {file}")


@app.command()
def prune(
    all_: Annotated[
        bool, typer.Option("--all", help="Everything no lab uses, current versions too.")
    ] = False,
    build: Annotated[bool, typer.Option("--build", help="The compilers' caches.")] = False,
    corrupt: Annotated[bool, typer.Option("--corrupt", help="Files that were changed.")] = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Remove old versions and leftovers from the cache; never what a lab stands on.

    Examples:

        sudo lab artifacts prune

        sudo lab artifacts prune --build
    """
    from lab.artifacts import Prune
    from lab.lifecycle.cache import prune_cache
    from lab.paths import find_paths

    chosen = [
        what
        for what, wanted in ((Prune.ALL, all_), (Prune.BUILD, build), (Prune.CORRUPT, corrupt))
        if wanted
    ]
    if len(chosen) > 1:
        raise typer.BadParameter("--all, --build and --corrupt exclude each other")
    if all_ and not yes:
        _output.confirm("Remove all artifacts that no lab uses? Building them again takes minutes.")
    pruned = prune_cache(find_paths(), chosen[0] if chosen else Prune.OLD)
    if json:
        _output.show_json(pruned)
        return
    for name in pruned.removed:
        _output.show(f"removed {name}")
    for name in pruned.kept:
        _output.show(f"kept {name}, a lab stands on it")
    _output.show(f"Freed {pruned.freed / 1e6:.0f} MB")
