"""lab ci: play everything that a stage can show, and say by the exit code how it was."""

from pathlib import Path
from typing import Annotated

import typer

from lab.cli import _series
from lab.cli._options import Json, Name, Runs, Scenarios
from lab.cli._series import Retry, TimeBudget
from lab.cli.scenario import Clock, complete_stage, scenarios_folder


def ci(
    name: Name = "lab",
    stage: Annotated[
        str,
        typer.Option(
            "--stage",
            help="twin: processes beside each other, without Kubernetes and root. sandbox: the "
            "nodes of a lab that is up.",
            autocompletion=complete_stage,
        ),
    ] = "twin",
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
    """
    from lab.cli.report import open_store
    from lab.paths import find_paths
    from lab.stages.play import BOTH

    paths = find_paths()
    choice = _series.choose(
        paths, scenarios_folder(scenarios), (), stage=stage, lab_name=name, clock=clock
    )
    options = _series.Options(repeat, budget, retry, json, junit)
    if code := _series.play(choice, BOTH, open_store(runs), paths, options):
        raise typer.Exit(code)
