"""Write the page of a run to a file."""

from pathlib import Path

from lab.files import require_target, write_atomic
from lab.paths import Caller
from lab.report import page, view

PAGE = "report.html"


def write_page(run: Path, *, owner: Caller, target: Path | None = None) -> Path:
    """Render the run in directory `run` and return where its page is: beside the histories, or
    at `target`. Raises NoSuchRun, HistoryDamaged, NoSpace, InvalidValue."""
    place = target or run / PAGE
    require_target(place, hint="lab report html --output report.html")
    write_atomic(place, page.render(view.load(run)), owner=owner, mode=0o644)
    return place


def write_export(run: Path, *, owner: Caller, target: Path) -> Path:
    """Write one file that shows the run and plays it; raises as `write_page` does."""
    require_target(target, hint="lab report export --output run.html")
    write_atomic(target, page.render(view.load(run), plays=True), owner=owner, mode=0o644)
    return target
