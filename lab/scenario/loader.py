"""Find the scenarios of a folder and load one with its guide, or say all that is wrong with it.

A scenario is a folder `<name>` that holds `scenario.py`, which sets `scenario`, and
`guide.md`. The file is run, not imported: it must leave no bytecode in a folder that
may belong to somebody else, and no module behind.
"""

import difflib
import runpy
import traceback
from dataclasses import dataclass
from pathlib import Path

from lab.errors import Interrupted, NoSuchScenario, ScenarioInvalid
from lab.scenario import guide as guides
from lab.scenario import mistakes
from lab.scenario.guide import Guide
from lab.scenario.model import Scenario

FILE = "scenario.py"
GUIDE = "guide.md"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A scenario that can be played, and what there is to read about it."""

    scenario: Scenario
    guide: Guide


def names(folder: Path) -> tuple[str, ...]:
    """Return the names of the scenarios in `folder`, in order."""
    if not folder.is_dir():
        return ()
    return tuple(sorted(path.name for path in folder.iterdir() if (path / FILE).is_file()))


def load(folder: Path, name: str) -> Loaded:
    """Load scenario `name`. Raises NoSuchScenario, or ScenarioInvalid with all mistakes."""
    known = names(folder)
    if name not in known:
        raise NoSuchScenario(f"no scenario {name!r}", hint=_near(name, known))
    scenario, found = _run(folder / name / FILE, name)
    guide, wrong = _read_guide(folder / name / GUIDE)
    found += wrong
    if scenario is None or guide is None or found:
        raise ScenarioInvalid(f"scenario {name!r} cannot be played:", mistakes=tuple(found))
    return Loaded(scenario, guide)


def _near(name: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"there are {', '.join(known)}" if known else "the folder of scenarios is empty"


def _run(path: Path, name: str) -> tuple[Scenario | None, list[str]]:
    try:
        scenario = runpy.run_path(str(path)).get("scenario")
    except Interrupted:
        raise
    except (Exception, SystemExit) as exc:
        # Anything may be written in the file, so anything may be raised by it; a file that
        # exits must not end lab with the status of a verdict.
        return None, [_where(exc, path)]
    if not isinstance(scenario, Scenario):
        return None, [f"{FILE} sets no `scenario` of type Scenario (found {scenario!r})"]
    found = []
    if scenario.name != name:
        found.append(f"it is named {scenario.name!r} in a folder {name!r}")
    try:
        found += mistakes.find(scenario)
    except (AttributeError, TypeError, ValueError) as exc:
        found.append(f"a field of the scenario has another type than it must have: {exc}")
    return scenario, found


def _where(error: BaseException, path: Path) -> str:
    """Name the line of the file where the error came from, not that of the engine."""
    if isinstance(error, SyntaxError):
        return f"{FILE} line {error.lineno}: {error.msg}"
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    where = f" line {lines[-1]}" if lines else ""
    return f"{FILE}{where}: {type(error).__name__}: {error}"


def _read_guide(path: Path) -> tuple[Guide | None, tuple[str, ...]]:
    try:
        return guides.parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as exc:
        return None, (f"{GUIDE} cannot be read: {exc}",)
