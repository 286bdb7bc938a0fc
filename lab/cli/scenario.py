"""lab scenario: list what can be played, show one, play one."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli import _kind, _output, _series
from lab.cli._options import Json, Name, Runs, Scenarios
from lab.cli._series import Retry, TimeBudget
from lab.errors import BadInput

if TYPE_CHECKING:
    from lab.paths import Paths
    from lab.store import Store

app = typer.Typer(no_args_is_help=True, help="Scripted failures: list, show, play.")


def scenarios_folder(chosen: Path | None) -> Path:
    from lab import content

    return chosen or content.folder("scenarios")


def complete_scenario(incomplete: str) -> list[str]:
    from lab.scenario import loader

    return [n for n in loader.names(scenarios_folder(None)) if n.startswith(incomplete)]


def complete_stage(incomplete: str) -> list[str]:
    return [stage for stage in ("sandbox", "kind", "twin") if stage.startswith(incomplete)]


def complete_clock(incomplete: str) -> list[str]:
    return [clock for clock in ("honest", "fast") if clock.startswith(incomplete)]


Scenario = Annotated[
    str,
    typer.Argument(
        metavar="SCENARIO", help="As lab scenario list names it.", autocompletion=complete_scenario
    ),
]

Clock = Annotated[
    str,
    typer.Option(
        "--clock",
        help="honest: Kubernetes' own timers. fast: shorter ones of nodes until the end of the "
        "command, and of rollouts until the next reset; a shorter look before and after. It saves "
        "minutes and teaches wrong numbers; the report says so.",
        autocompletion=complete_clock,
    ),
]


@app.command("list")
def list_scenarios(
    clock: Annotated[
        str,
        typer.Option(
            "--clock",
            help="With which timers of Kubernetes the time on nodes is estimated: honest or fast.",
            autocompletion=complete_clock,
        ),
    ] = "honest",
    scenarios: Scenarios = None,
    runs: Runs = None,
    json: Json = False,
) -> None:
    """List the scenarios, with how long careless and careful take: as measured, else guessed.

    Examples:

        lab scenario list

        lab scenario list --clock fast
    """
    from lab.cli.report import open_store
    from lab.scenario import loader
    from lab.stages.choice import able, takes

    folder, store = scenarios_folder(scenarios), open_store(runs)
    found = [loader.load(folder, name).scenario for name in loader.names(folder)]
    if json:
        _output.show_json(
            [
                {
                    "name": each.name,
                    "title": each.title,
                    "question": each.question,
                    "stages": list(able(each)),
                    "clock": clock,
                    "seconds": takes(store, each, clock),
                    "variants": [variant.name for variant in each.variants],
                }
                for each in found
            ]
        )
        return
    rows = [
        (
            each.name,
            ", ".join(
                f"{stage} {_output.about(s)}" for stage, s in takes(store, each, clock).items()
            ),
            each.question,
        )
        for each in found
    ]
    _output.show_table(("name", "takes", "question"), rows)


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
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SCENARIO...",
            help="As lab scenario list names them.",
            autocompletion=complete_scenario,
        ),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Play all scenarios that the stage can show.")
    ] = False,
    name: Name = "lab",
    variant: Annotated[
        str,
        typer.Option(
            "--variant", help="careless, careful, both, or a proof that scenario show names."
        ),
    ] = "both",
    stage: Annotated[
        str | None,
        typer.Option(
            "--stage",
            help="What the lab's nodes are, unless told. sandbox: the nodes of a lab that is up. "
            "kind: the same of a lab of containers; needs no root. twin: processes beside each "
            "other, without Kubernetes and root.",
            autocompletion=complete_stage,
        ),
    ] = None,
    clock: Clock = "honest",
    repeat: Annotated[
        int,
        typer.Option(
            "--repeat", min=1, help="How often to play each; where they disagree, it is FLAKY."
        ),
    ] = 1,
    budget: TimeBudget = None,
    retry: Retry = True,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Show on this terminal what happens meanwhile.")
    ] = False,
    scenarios: Scenarios = None,
    runs: Runs = None,
    json: Json = False,
) -> None:
    """Play scenarios, under traffic, and judge what happened.

    Exit code 0 when everything came as predicted, 1 when not, 3 when the run proves nothing; of
    several runs the worst: 4, 1, 3, 0.

    Examples:

        sudo lab scenario run half-migrated-rename

        lab scenario run half-migrated-rename --stage twin --watch

        lab scenario run half-migrated-rename --stage twin --repeat 3

        lab scenario run --all --stage twin --budget 10m

        sudo lab scenario run half-migrated-rename --variant careful --json

        sudo lab scenario run ghost-pod-contract --clock fast
    """
    from lab.cli.report import open_store
    from lab.paths import find_paths

    if every == bool(names):
        raise BadInput("say which scenarios to play, or --all", hint="lab scenario list")
    paths, store = find_paths(), open_store(runs)
    folder = scenarios_folder(scenarios)
    stage = _kind.stage_of(stage, name)
    choice = _series.choose(paths, folder, names or (), stage=stage, lab_name=name, clock=clock)
    if len(names or ()) == 1 and repeat == 1 and budget is None:
        code = _play_one(choice, variant, store, paths, retry=retry, json=json, watch=watch)
    elif watch:
        raise BadInput(
            "--watch shows one run", hint="lab serve shows each run as it comes, on a page"
        )
    else:
        options = _series.Options(repeat, budget, retry, json)
        code = _series.play(choice, variant, store, paths, options)
    if code:
        raise typer.Exit(code)


def _play_one(
    choice: _series.Choice,
    variant: str,
    store: "Store",
    paths: "Paths",
    *,
    retry: bool,
    json: bool,
    watch: bool = False,
) -> int:
    """Play one run, show all of it, and return the exit code."""
    from lab.cli._watch import Watching
    from lab.report.files import write_page
    from lab.stages import play as playing

    (loaded,), progress = choice.loaded, _output.make_progress()
    variants = playing.choose(loaded.scenario, variant)
    with Watching(wanted=watch) as watching:
        run = playing.Playing(
            store,
            watching.progress(progress),
            may_retry=lambda _: retry,
            begun=lambda begun: watching.begin(begun.path),
        )
        played = run.play(choice.place, loaded, variants)
    for judged in played.judged:
        for reasons in judged.invalid:
            told = f"a first try proved nothing ({'; '.join(reasons)}), so it was played once more"
            _output.note(f"{judged.verdict.variant}: {told}")
    with progress.task("Writing the report"):
        page = write_page(played.run.path, owner=paths.caller)
    if json:
        _output.show_json(store.objects(played.run))
    else:
        from lab.report import terminal, view

        _output.show_rich(terminal.renderable(view.load(played.run.path), page=str(page)))
    return played.exit_code
