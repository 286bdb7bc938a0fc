"""lab artifacts: what nodes are made from."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli import _kind, _output
from lab.cli._kind import Image, On
from lab.cli._options import Distribution, Json, K3sDir, K3sMirror, Yes

if TYPE_CHECKING:
    from lab.artifacts import Recipe
    from lab.lifecycle.choice import Choice

app = typer.Typer(
    no_args_is_help=True,
    help="What nodes are made from: built once, cached, carried to other hosts.",
)

Bundle = Annotated[Path, typer.Argument(metavar="FILE", help="The bundle, one tar archive.")]


@app.command()
def build(
    on: On = None,
    image: Image = None,
    distribution: Distribution = None,
    k3s_dir: K3sDir = None,
    k3s_mirror: K3sMirror = None,
    json: Json = False,
) -> None:
    """Build, or fetch, what is not in the cache yet.

    Examples:

        sudo lab artifacts build

        sudo lab artifacts build --distribution k3s --k3s-dir ~/k3s-release

        sudo lab artifacts build --on kind
    """
    from lab import artifacts
    from lab.paths import find_paths

    recipes = _recipes(on, image, distribution, k3s_dir, k3s_mirror)
    built = artifacts.ensure(recipes, paths=find_paths(), progress=_output.make_progress())
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
def export_bundle(
    file: Bundle,
    on: On = None,
    image: Image = None,
    distribution: Distribution = None,
    k3s_dir: K3sDir = None,
    k3s_mirror: K3sMirror = None,
) -> None:
    """Write everything a lab is made from into one file, for hosts that build nothing.

    Examples:

        sudo lab artifacts export lab-bundle.tar

        sudo lab artifacts export lab-k3s.tar --distribution k3s
    """
    from lab import artifacts
    from lab.paths import find_paths

    recipes = _recipes(on, image, distribution, k3s_dir, k3s_mirror)
    progress = _output.make_progress()
    artifacts.export_bundle(file, recipes, paths=find_paths(), progress=progress)
    _output.show(f"Wrote {file}, {file.stat().st_size / 1e6:.0f} MB")


@app.command("import")
def import_bundle(file: Bundle) -> None:
    """Put the artifacts of a bundle into the cache, after checking every checksum.

    A k3s in it must be the one of lab's lock, or the one that was seen first.

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


def _recipes(
    on: str | None,
    image: str | None,
    distribution: str | None,
    directory: Path | None,
    mirror_url: str | None,
) -> "tuple[Recipe, ...]":
    """Return the recipes of all that such a lab is made from, with the service's."""
    if on != "kind":
        _kind.require_machines(on)
        _kind.refuse_without_kind(image=image)
        return _choose(distribution, directory, mirror_url).recipes()
    from lab.artifacts.serviceimages import service_recipes
    from lab.lifecycle import kind_plan

    _kind.refuse(
        distribution=distribution not in (None, "kubeadm"),
        k3s_dir=directory,
        k3s_mirror=mirror_url,
    )
    return (*kind_plan.recipes(image or ""), *service_recipes())


def _choose(distribution: str | None, directory: Path | None, mirror_url: str | None) -> "Choice":
    """Return what a new lab would be made of; a note says where that is not k3s, and why."""
    from lab.lifecycle.choice import choose_new, find_k3s
    from lab.paths import find_paths

    k3s = find_k3s(directory, mirror_url)
    in_ci = os.environ.get("CI", "").lower() == "true"
    choice = choose_new(find_paths(), distribution, k3s, ci=in_ci)
    if choice.note:
        _output.note(choice.note)
    return choice
