"""Play many runs and show each as it ends: what `lab scenario run` and `lab ci` share."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli import _output
from lab.cli._shown import Shown
from lab.errors import Interrupted, LabError

if TYPE_CHECKING:
    from lab.paths import Paths
    from lab.scenario.loader import Loaded
    from lab.scenario.tally import Case
    from lab.stages.place import Place
    from lab.store import Store

_TIME = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")


def read_time(text: str) -> float:
    """Return the seconds that `10m`, `1h30m`, `90s` or `90` mean."""
    found = _TIME.fullmatch(text.strip())
    hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
    total = hours * 3600 + minutes * 60 + seconds
    if not total:
        raise typer.BadParameter(f"{text!r} is no time; one is 10m, 90s or 1h30m")
    return float(total)


TimeBudget = Annotated[
    float | None,
    typer.Option(
        "--budget",
        help="How long it may take, as 10m: the shortest are played first, and what would not "
        "fit is left out and told.",
        metavar="TIME",
        parser=read_time,
    ),
]
Retry = Annotated[
    bool,
    typer.Option(
        "--retry/--no-retry", help="Play a variant that proved nothing once more, and say so."
    ),
]


@dataclass(frozen=True, slots=True)
class Options:
    """How the runs are played and shown."""

    repeat: int = 1
    budget_s: float | None = None
    retry: bool = True
    json: bool = False
    junit: Path | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to be played where; `cannot` are the scenarios that the place cannot show."""

    place: "Place"
    loaded: "tuple[Loaded, ...]"
    cannot: "tuple[tuple[Loaded, str], ...]" = ()


def choose(
    paths: "Paths",
    folder: Path,
    names: Sequence[str],
    *,
    stage: str,
    lab_name: str,
    clock: str = "honest",
    place: "Place | None" = None,
) -> Choice:
    """Return these scenarios, or without names all; raises BadInput for what cannot be played.

    `place` is given where it is none that `stage` and `lab_name` name.
    """
    from lab.errors import NoSuchScenario
    from lab.scenario import loader, needs
    from lab.stages import choice

    every = not names
    loaded = tuple(
        loader.load(folder, name) for name in dict.fromkeys(names or loader.names(folder))
    )
    if not loaded:
        raise NoSuchScenario(f"there is no scenario in {folder}")
    lacks = place.lacks if place else choice.lacks(paths, stage, lab_name)
    able = tuple(each for each in loaded if not needs.missing(each.scenario, lacks))
    progress = _output.make_progress()
    # Where all are meant, one that cannot be shown is no mistake of whoever typed it.
    meant = able if every and able else loaded
    places = [
        choice.require_able(place, each.scenario)
        if place
        else choice.place_of(
            paths, stage, each.scenario, lab_name=lab_name, progress=progress, clock=clock
        )
        for each in meant
    ]
    others = tuple(each for each in loaded if each not in meant)
    why = [needs.missing(each.scenario, places[0].lacks) for each in others]
    cannot = tuple(
        (each, f"the {stage} cannot show it ({'; '.join(dict.fromkeys(reasons.values()))})")
        for each, reasons in zip(others, why, strict=True)
    )
    return Choice(places[0], meant, cannot)


def play(choice: Choice, variant: str, store: "Store", paths: "Paths", options: Options) -> int:
    """Play, show, and return the exit code.

    Raises Interrupted, and LabError where the place could not even be entered.
    """
    from lab.files import require_target
    from lab.scenario import tally
    from lab.stages import play as playing
    from lab.stages import series
    from lab.stages.estimate import Estimates

    if options.junit:
        require_target(options.junit, hint="lab ci --junit report.xml")
    budget = series.Budget(options.budget_s) if options.budget_s else None
    estimates = Estimates.at(choice.place, store)
    planned = series.plan(
        [(each, playing.choose(each.scenario, variant)) for each in choice.loaded],
        estimates,
        rounds=options.repeat,
        shortest_first=budget is not None,
    )
    progress = _output.make_progress()
    how = playing.Playing(store, progress)
    with Shown(choice, planned, options, paths) as shown:
        shown.leave_out_what_cannot_be_shown(variant)
        series.Series(
            choice.place, how, estimates, shown.tell, budget, options.retry, shown.arrive
        ).play(planned)
    with progress.task("Writing the reports"):
        write_pages(shown.cases, paths)
    shown.conclude(store)
    return tally.exit_code(shown.cases)


def write_pages(cases: "Sequence[Case]", paths: "Paths") -> None:
    """Write the page of each run; one that cannot be written does not undo what was judged."""
    from lab.report.files import write_page

    for directory in dict.fromkeys(case.directory for case in cases if case.verdict):
        try:
            write_page(Path(directory), owner=paths.caller)
        except Interrupted:
            raise
        except LabError as error:
            _output.note(f"No page of {directory}: {error.message}")
