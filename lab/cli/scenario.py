"""lab scenario: list what can be played, show one, play one."""

from pathlib import Path
from typing import Annotated

import typer

from lab.cli import _output
from lab.cli._options import Json, Name, Runs, Scenarios

app = typer.Typer(no_args_is_help=True, help="Scripted failures: list, show, play.")


def scenarios_folder(chosen: Path | None) -> Path:
    from lab import content

    return chosen or content.folder("scenarios")


def complete_scenario(incomplete: str) -> list[str]:
    from lab.scenario import loader

    return [n for n in loader.names(scenarios_folder(None)) if n.startswith(incomplete)]


def complete_stage(incomplete: str) -> list[str]:
    return [stage for stage in ("sandbox", "twin") if stage.startswith(incomplete)]


Scenario = Annotated[
    str,
    typer.Argument(
        metavar="SCENARIO", help="As lab scenario list names it.", autocompletion=complete_scenario
    ),
]


@app.command("list")
def list_scenarios(scenarios: Scenarios = None, json: Json = False) -> None:
    """List the scenarios.

    Examples:

        lab scenario list
    """
    from lab.scenario import loader
    from lab.stages.choice import able

    folder = scenarios_folder(scenarios)
    found = [loader.load(folder, name).scenario for name in loader.names(folder)]
    if json:
        _output.show_json(
            [
                {
                    "name": each.name,
                    "title": each.title,
                    "question": each.question,
                    "stages": list(able(each)),
                    "variants": [variant.name for variant in each.variants],
                }
                for each in found
            ]
        )
        return
    rows = [(each.name, " ".join(able(each)), each.question) for each in found]
    _output.show_table(("name", "stages", "question"), rows)


@app.command()
def show(scenario: Scenario, scenarios: Scenarios = None, json: Json = False) -> None:
    """Show what a scenario asks, does and predicts.

    Examples:

        lab scenario show half-migrated-rename
    """
    from lab.scenario import describe, loader

    loaded = loader.load(scenarios_folder(scenarios), scenario)
    if json:
        _output.show_json(describe.to_json(loaded))
    else:
        _output.show(describe.to_text(loaded))


@app.command()
def run(
    scenario: Scenario,
    name: Name = "lab",
    variant: Annotated[
        str,
        typer.Option(
            "--variant", help="careless, careful, both, or a proof that scenario show names."
        ),
    ] = "both",
    stage: Annotated[
        str,
        typer.Option(
            "--stage",
            help="sandbox: the nodes of a lab that is up. twin: processes beside each other, "
            "without Kubernetes; needs no root.",
            autocompletion=complete_stage,
        ),
    ] = "sandbox",
    scenarios: Scenarios = None,
    runs: Runs = None,
    json: Json = False,
) -> None:
    """Play a scenario, under traffic, and judge what happened.

    Exit code 0 when everything came as predicted, 1 when not, 3 when the run proves nothing.

    Examples:

        sudo lab scenario run half-migrated-rename

        lab scenario run half-migrated-rename --stage twin

        sudo lab scenario run half-migrated-rename --variant careful --json
    """
    from lab.cli.report import open_store
    from lab.paths import find_paths
    from lab.report.files import write_page
    from lab.scenario import loader
    from lab.stages import choice
    from lab.stages import play as playing

    loaded = loader.load(scenarios_folder(scenarios), scenario)
    variants = playing.choose(loaded.scenario, variant)
    paths, progress = find_paths(), _output.make_progress()
    place = choice.place_of(paths, stage, loaded.scenario, lab_name=name, progress=progress)
    store = open_store(runs)
    played = playing.play(place, loaded, variants, store=store, progress=progress)
    with progress.task("Writing the report"):
        page = write_page(played.run.path, owner=paths.caller)
    if json:
        _output.show_json(store.objects(played.run))
    else:
        from lab.report import terminal, view

        _output.show_rich(terminal.renderable(view.load(played.run.path), page=str(page)))
    if played.exit_code:
        raise typer.Exit(played.exit_code)
