"""lab ci: play everything that a stage can show, and say by the exit code how it was."""

from pathlib import Path
from typing import Annotated

import typer

from lab.cli import _kind, _series
from lab.cli._kind import Image
from lab.cli._options import Json, Runs, Scenarios
from lab.cli._series import Retry, TimeBudget
from lab.cli.scenario import Clock, complete_stage, scenarios_folder


def ci(
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            help="Which lab: lab, or ci for one that is made for this.",
            envvar="LAB_NAME",
            metavar="LAB",
        ),
    ] = None,
    on: Annotated[
        str | None,
        typer.Option(
            "--on",
            help="kind: make a cluster of containers for this, and remove it at the end.",
            metavar="MACHINES",
        ),
    ] = None,
    nodes: Annotated[
        int | None, typer.Option("--nodes", help="With --on: how many nodes; 6 unless told.")
    ] = None,
    image: Image = None,
    stage: Annotated[
        str | None,
        typer.Option(
            "--stage",
            help="twin, unless told: processes beside each other, without Kubernetes and root. "
            "sandbox, kind: the nodes of a lab that is up.",
            autocompletion=complete_stage,
        ),
    ] = None,
    clock: Clock = "honest",
    budget: TimeBudget = None,
    junit: Annotated[
        Path | None,
        typer.Option(
            "--junit",
            help="Write there what came of each variant, as JUnit XML, anew after each.",
            metavar="FILE",
            dir_okay=False,
        ),
    ] = None,
    repeat: Annotated[int, typer.Option("--repeat", min=1, help="How often to play each.")] = 1,
    retry: Retry = True,
    scenarios: Scenarios = None,
    runs: Runs = None,
    json: Json = False,
) -> None:
    """Play every scenario that the stage can show, careless and careful, a line for each.

    The exit code is the worst of all: 4 the lab could not do its work, 1 not as predicted, 3
    nothing was proved, 0 all as predicted.

    Examples:

        lab ci --budget 10m --junit report.xml

        sudo lab ci --stage sandbox --clock fast --json

        lab ci --on kind --budget 10m --junit report.xml
    """
    from lab.cli.report import open_store
    from lab.paths import find_paths
    from lab.stages.play import BOTH

    paths, folder = find_paths(), scenarios_folder(scenarios)
    if on is None:
        _kind.refuse_without_kind(nodes=nodes, image=image)
        told = {"stage": stage or "twin", "lab_name": name or "lab"}
        choice = _series.choose(paths, folder, (), clock=clock, place=None, **told)
    else:
        _kind.refuse_stage(stage)
        _kind.refuse_clock(clock)
        place = _kind.once(paths, on, name or "ci", nodes=nodes, image=image)
        told = {"stage": place.name, "lab_name": name or "ci"}
        choice = _series.choose(paths, folder, (), place=place, **told)
    options = _series.Options(repeat, budget, retry, json, junit)
    if code := _series.play(choice, BOTH, open_store(runs), paths, options):
        raise typer.Exit(code)
