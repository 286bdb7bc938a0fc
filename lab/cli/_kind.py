"""What `lab up --on kind` does and shows."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli import _output

if TYPE_CHECKING:
    from lab.lifecycle.plan import Action
    from lab.lifecycle.record import Record
    from lab.paths import Paths
    from lab.stages.place import Place

MACHINES = ("sandbox", "kind")


def complete_machines(incomplete: str) -> list[str]:
    return [each for each in MACHINES if each.startswith(incomplete)]


On = Annotated[
    str | None,
    typer.Option(
        "--on",
        help="Where the nodes are: sandbox, of lab's own on this host, or kind, containers in "
        "Docker.",
        metavar="MACHINES",
        autocompletion=complete_machines,
    ),
]
Image = Annotated[
    str | None,
    typer.Option(
        "--image",
        help="With --on kind: a node image that Docker has, and not lab's own.",
        metavar="IMAGE",
    ),
]


def is_on_kind(on: str | None, name: str) -> bool:
    """Whether kind is meant: because it was said, or because the lab is there and is one."""
    from lab.lifecycle.lab import is_of_kind
    from lab.paths import find_paths

    require_machines(on)
    return on == "kind" or (on is None and is_of_kind(find_paths(), name))


def stage_of(stage: str | None, name: str) -> str:
    """Return the stage that was told, else what the nodes of the lab are."""
    return stage or ("kind" if is_on_kind(None, name) else "sandbox")


def require_machines(on: str | None) -> None:
    if on not in (None, *MACHINES):
        raise typer.BadParameter(f"{on!r} is neither {' nor '.join(MACHINES)}", param_hint="--on")


def refuse(**given: object) -> None:
    """Raise for options that kind has no use for."""
    for option, value in given.items():
        if value:
            raise typer.BadParameter(
                f"--{option.replace('_', '-')} is of no use with --on kind: its clusters have one "
                "server, made by kubeadm"
            )


def refuse_without_kind(**given: object) -> None:
    for option, value in given.items():
        if value:
            raise typer.BadParameter(f"--{option} is about --on kind")


def refuse_stage(stage: str | None) -> None:
    if stage not in (None, "kind"):
        raise typer.BadParameter(
            f"{stage!r} is another stage than the cluster that --on kind makes",
            param_hint="--stage",
        )


def refuse_clock(clock: str) -> None:
    if clock != "honest":
        raise typer.BadParameter(
            f"{clock!r} changes timers of a lab that stays up; with --on kind they are kind's own",
            param_hint="--clock",
        )


def once(paths: "Paths", on: str, name: str, *, nodes: int | None, image: str | None) -> "Place":
    """Return the place that is made for one command; raises for machines other than kind."""
    from lab.lifecycle.kind_plan import Wanted
    from lab.machines.topology import check_lab_name
    from lab.stages.kind_once import place_once

    if on != "kind":
        raise typer.BadParameter(
            f"{on!r} is not made for one command, only kind is; --stage sandbox plays on a lab "
            "that is up",
            param_hint="--on",
        )
    check_lab_name(name)
    return place_once(paths, name, Wanted(nodes, image or ""), _output.make_progress())


def up_on_kind(
    name: str,
    *,
    nodes: int | None,
    image: str | None,
    plan: bool,
    timeout: float | None,
    json: bool,
) -> None:
    from lab.lifecycle import kind_plan, kind_up
    from lab.lifecycle.bounds import Bounds
    from lab.paths import find_paths

    wanted = kind_plan.Wanted(nodes, image or "")
    if plan:
        show_plan(name, kind_plan.plan_up(find_paths(), name, wanted), json=json)
        return
    progress = _output.make_progress()
    bounds = Bounds.of(timeout)
    record, done = kind_up.up(find_paths(), name, wanted, progress=progress, bounds=bounds)
    if json:
        phases = [{"phase": title, "seconds": s} for title, s in progress.finished]
        _output.show_json({**to_json(record, done), "phases": phases})
        return
    state = "is ready" if done else "is up already; nothing was changed"
    _output.show(
        f"Lab {name} {state}: {record.node_count} nodes on kind, {record.distribution} "
        f"{record.version}"
    )
    if done:
        option = "" if name == "lab" else f" --name {name}"
        _output.show(
            f"\nTry next:\n  lab deploy{option}\n  lab scenario list\n"
            f"  lab scenario run half-migrated-rename{option}\n  lab down{option}"
        )


def to_json(record: "Record", done: "tuple[Action, ...]") -> dict[str, object]:
    from lab.paths import find_paths

    directory: Path = find_paths().lab(record.name)
    return {
        "name": record.name,
        "changed": bool(done),
        "on": "kind" if record.kind else "sandbox",
        "distribution": record.distribution,
        "version": record.version,
        "nodes": [node.name for node in record.nodes],
        "servers": [node.name for node in record.server_nodes],
        "done": [{"target": a.target, "action": a.action} for a in done],
        "kubeconfig": str(directory / "kubeconfig"),
    }


def show_plan(name: str, actions: "tuple[Action, ...]", *, json: bool) -> None:
    if json:
        _output.show_json({"name": name, "changes": len(actions), "actions": actions})
        return
    if not actions:
        _output.show(f"Lab {name} is up; lab up would change nothing")
        return
    rows = [(action.target, action.action, action.why) for action in actions]
    _output.show_table(("where", "what", "why"), rows)
    _output.show(f"\n{len(actions)} changes; nothing was changed yet")
