"""lab report: what stored runs showed, judged again, as a page."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli import _output
from lab.cli._options import Json, Runs, Scenarios

if TYPE_CHECKING:
    from lab.store import Store

app = typer.Typer(no_args_is_help=True, help="Stored runs: list, show, judge again, write a page.")


def open_store(runs: Path | None) -> "Store":
    from lab.paths import find_paths
    from lab.store import Store

    paths = find_paths()
    return Store(runs.absolute(), owner=paths.caller) if runs else Store.of(paths)


def complete_run(incomplete: str) -> list[str]:
    return [run.id for run in open_store(None).runs() if run.id.startswith(incomplete)]


RunName = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="As lab report list names it, a beginning of that, a scenario, or latest.",
        autocompletion=complete_run,
    ),
]


@app.command("list")
def list_runs(runs: Runs = None, json: Json = False) -> None:
    """List the stored runs, the newest first.

    Examples:

        lab report list
    """
    from lab.report.overview import overview

    found = overview(open_store(runs))
    if json:
        _output.show_json(found)
    elif found:
        rows = [(line.run, line.outcomes, line.place) for line in found]
        _output.show_table(("run", "outcomes", "stage"), rows)
    else:
        _output.note("No runs. Make one: sudo lab scenario run half-migrated-rename")


@app.command()
def show(run: RunName = "latest", runs: Runs = None, json: Json = False) -> None:
    """Show what happened in a stored run, and what it proves.

    Examples:

        lab report show

        lab report show half-migrated-rename --json
    """
    from lab.report import terminal, view
    from lab.report.files import PAGE

    store = open_store(runs)
    found = store.find(run)
    if json:
        _output.show_json(store.objects(found))
        return
    page = found.path / PAGE
    shown = str(page) if page.exists() else ""
    _output.show_rich(terminal.renderable(view.load(found.path), page=shown))


@app.command()
def html(
    run: RunName = "latest",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Where to write it; usually beside the run.",
            metavar="FILE",
            dir_okay=False,
        ),
    ] = None,
    runs: Runs = None,
) -> None:
    """Write the page of a stored run: one file that asks nobody for anything.

    Examples:

        lab report html latest --output report.html
    """
    from lab.paths import find_paths
    from lab.report.files import write_page

    found = open_store(runs).find(run)
    page = write_page(found.path, owner=find_paths().caller, target=output)
    _output.show(f"Wrote {page}, {page.stat().st_size / 1e3:.0f} kB")


@app.command()
def recheck(
    run: RunName = "latest",
    scenarios: Scenarios = None,
    runs: Runs = None,
    json: Json = False,
) -> None:
    """Judge a stored run again from its history alone; exit codes as of scenario run.

    Examples:

        lab report recheck latest
    """
    from lab import content
    from lab.paths import find_paths
    from lab.report.files import PAGE, write_page
    from lab.scenario import loader
    from lab.stages.play import exit_code
    from lab.stages.play import recheck as judge_again

    store = open_store(runs)
    found = store.find(run)
    loaded = loader.load(scenarios or content.folder("scenarios"), found.scenario)
    judged = judge_again(loaded, found, store=store)
    verdicts = [verdict for verdict, _ in judged]
    if (found.path / PAGE).exists():
        write_page(found.path, owner=find_paths().caller)
    if json:
        _output.show_json(store.objects(found))
    else:
        _output.show_table(
            ("variant", "outcome", "changed"),
            [(v.variant, v.outcome.value, "yes" if differs else "no") for v, differs in judged],
        )
    if code := exit_code(verdicts):
        raise typer.Exit(code)


@app.command()
def replay(
    run: RunName = "latest",
    speed: Annotated[
        int, typer.Option("--speed", help="1, 2, 5, 10 or 20 times as fast.", metavar="N")
    ] = 1,
    port: Annotated[
        int, typer.Option("--port", help="Of loopback; 0 takes a free one.", metavar="PORT")
    ] = 8600,
    runs: Runs = None,
) -> None:
    """Play a stored run on the live page again, until Ctrl-C.

    Nothing is needed but what the run has written: no lab, no network.

    Examples:

        lab report replay half-migrated-rename --speed 5
    """
    from lab.cli.serve import until_interrupted
    from lab.errors import InvalidValue
    from lab.live.playhead import SPEEDS
    from lab.live.replaying import Replay
    from lab.live.server import Server, bind
    from lab.report import stored

    if speed not in SPEEDS:
        told = ", ".join(map(str, SPEEDS))
        raise InvalidValue(f"{speed} is no speed of a replay; there are {told}")
    found = open_store(runs).find(run)
    with bind(port) as listener:
        server = Server(Replay(stored.load(found.path), speed=speed), listener)
        _output.note(f"Replaying {found.id} at {server.address} until Ctrl-C")
        _output.note(f"With keys to pause it, and for its speed: {server.address}#{server.token}")
        until_interrupted(server)


@app.command()
def export(
    run: RunName = "latest",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where to write it.", metavar="FILE", dir_okay=False),
    ] = None,
    runs: Runs = None,
) -> None:
    """Write a run as one file that anybody can open: the report, and the run played in it.

    It needs no lab, no server and no network, only a browser.

    Examples:

        lab report export half-migrated-rename --output rename.html
    """
    from lab.paths import find_paths
    from lab.report.files import write_export

    found = open_store(runs).find(run)
    target = output or Path(f"{found.scenario}-{found.name}.html")
    page = write_export(found.path, owner=find_paths().caller, target=target)
    _output.show(f"Wrote {page}, {page.stat().st_size / 1e3:.0f} kB")
