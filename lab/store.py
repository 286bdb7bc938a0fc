"""Where are the runs, and what is each called?

    <state>/runs/<scenario>/<YYYYMMDDTHHMMSSZ>/run.json
                                              <variant>/history.jsonl
                                              <variant>/verdict.json
                                              _invalid/<variant>/<try>/...
                                              guesses.json, after a demonstration
    <state>/runs/<scenario>/latest            a link, for people and their shells

The name of a run is the second in which it began, in UTC; a second run of the same second
gets `-2` behind it, since making the directory decides who was first. A directory without
run.json is what a crash left, and no run. `_invalid` holds what was played once more because
it proved nothing.
"""

import itertools
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from lab.errors import HistoryDamaged, InvalidValue, LabError, NoSuchRun
from lab.files import give_to, make_dir, says_where_it_is_full, write_atomic, write_json
from lab.paths import Caller, Paths
from lab.scenario.verdict import Verdict

RUN, HISTORY, VERDICT = "run.json", "history.jsonl", "verdict.json"
GUESSES = "guesses.json"
LATEST = "latest"
FORMAT = 1
"""Of what is stored; a higher one was written by a newer lab."""
# No variant can have this name.
INVALID = "_invalid"
TOLD = ("stage", "distribution", "version", "clock", "seed")
_NAME = re.compile(r"(\d{8}T\d{6}Z)(?:-(\d+))?")
_WORD = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Run:
    """One stored run; `id` is what it is called on the command line."""

    scenario: str
    name: str
    path: Path

    @property
    def id(self) -> str:
        return f"{self.scenario}/{self.name}"

    def history(self, variant: str) -> Path:
        return self.path / variant / HISTORY

    def verdict(self, variant: str) -> Path:
        return self.path / variant / VERDICT

    def tries(self, variant: str) -> int:
        """Return how often `variant` was begun, the tries that proved nothing among them."""
        aside = len(list(self.path.glob(f"{INVALID}/{variant}/*/{HISTORY}")))
        return aside + self.history(variant).exists()

    @property
    def variants(self) -> tuple[str, ...]:
        """The variants that were begun, in the order of their names."""
        return tuple(sorted(each.parent.name for each in self.path.glob(f"*/{HISTORY}")))


class Store:
    """The runs of one user; all that is made belongs to `owner`."""

    def __init__(self, root: Path, *, owner: Caller) -> None:
        self.root = root
        self._owner = owner

    @classmethod
    def of(cls, paths: Paths) -> Self:
        return cls(paths.state / "runs", owner=paths.caller)

    def create(
        self, scenario: str, about: Mapping[str, Any], *, now: datetime | None = None
    ) -> Run:
        """Make the directory of a new run and write `about` into its run.json.

        Raises NoSpace or HostUnfit.
        """
        if not _WORD.fullmatch(scenario):
            raise InvalidValue(f"{scenario!r} is no name of a scenario")
        folder = make_dir(self.root / scenario, owner=self._owner)
        stamp = (now or datetime.now(UTC)).astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        run = self._claim(folder, stamp)
        write_json(run.path / RUN, dict(about), owner=self._owner, mode=0o644)
        self._point_at(run)
        return run

    def _claim(self, folder: Path, stamp: str) -> Run:
        for number in itertools.count(1):
            name = stamp if number == 1 else f"{stamp}-{number}"
            path = folder / name
            with says_where_it_is_full(path):
                try:
                    path.mkdir(mode=0o755)
                except FileExistsError:
                    continue
            give_to(path, self._owner)
            return Run(folder.name, name, path)
        raise AssertionError("counting does not end")

    def _point_at(self, run: Run) -> None:
        """Let `latest` point at the run; the link is replaced in one step."""
        link, temporary = run.path.parent / LATEST, run.path.parent / f".{LATEST}.{os.getpid()}"
        with says_where_it_is_full(link):
            temporary.unlink(missing_ok=True)
            temporary.symlink_to(run.name)
            give_to(temporary, self._owner)
            temporary.replace(link)

    def begin_variant(self, run: Run, variant: str) -> Path:
        """Make an empty history for `variant` and return its path."""
        if not _WORD.fullmatch(variant):
            raise InvalidValue(f"{variant!r} is no name of a variant")
        path = run.history(variant)
        if path.exists():
            raise LabError(f"run {run.id} has a history of {variant} already")
        make_dir(path.parent, owner=self._owner)
        write_atomic(path, b"", owner=self._owner, mode=0o644)
        return path

    def set_aside(self, run: Run, variant: str) -> Path:
        """Move what proved nothing away, so that `variant` can begin anew; return where it is."""
        folder = make_dir(run.path / INVALID / variant, owner=self._owner)
        # In one step: a crash leaves it here or there.
        return run.history(variant).parent.rename(folder / str(run.tries(variant)))

    def write_verdict(self, run: Run, verdict: Verdict) -> Path:
        """Write the verdict of its variant, replacing an older one in one step."""
        path = run.verdict(verdict.variant)
        write_json(path, verdict.to_json(), owner=self._owner, mode=0o644)
        return path

    def write_guesses(self, run: Run, told: Mapping[str, Any]) -> Path:
        """Write what a room said beforehand, by variant."""
        path = run.path / GUESSES
        write_json(path, dict(told), owner=self._owner, mode=0o644)
        return path

    def read_verdict(self, run: Run, variant: str) -> Verdict:
        """Raises NoSuchRun where it was never judged, HistoryDamaged where it cannot be read."""
        path = run.verdict(variant)
        try:
            return Verdict.from_json(_read_object(path))
        except FileNotFoundError as exc:
            hint = f"lab report recheck {run.id}"
            raise NoSuchRun(f"run {run.id} has no verdict of {variant}", hint=hint) from exc
        except (ValueError, TypeError, LookupError) as exc:
            hint = f"lab report recheck {run.id}"
            raise HistoryDamaged(f"{path} is no verdict: {exc}", hint=hint) from exc

    def objects(self, run: Run) -> list[dict[str, Any]]:
        """Return a JSON object a variant: the verdict, where it was come by, and the run.

        A variant without a verdict that can be read has `outcome` None, and what began it.
        """
        return [self._object(run, variant) for variant in run.variants]

    def _object(self, run: Run, variant: str) -> dict[str, Any]:
        begun = {
            "scenario": run.scenario,
            "variant": variant,
            **_first_told(run.history(variant)),
            "tries": run.tries(variant),
        }
        try:
            verdict = self.read_verdict(run, variant)
        except (NoSuchRun, HistoryDamaged):
            return {**begun, "outcome": None, "run": run.id}
        told = {**verdict.to_json(), "requests": verdict.figures.requests, "run": run.id}
        return {**begun, **told}

    def about(self, run: Run) -> Mapping[str, Any]:
        """Return what run.json tells. Raises HistoryDamaged."""
        path = run.path / RUN
        try:
            return _read_object(path)
        except (OSError, ValueError) as exc:
            raise HistoryDamaged(f"{path} cannot be read: {exc}") from exc

    def runs(self, scenario: str | None = None) -> tuple[Run, ...]:
        """Return all runs, of one scenario or of all, the newest first."""
        folders = self.root.iterdir() if self.root.is_dir() else ()
        found = [
            Run(folder.name, path.name, path)
            for folder in folders
            if folder.is_dir() and scenario in (None, folder.name)
            for path in folder.iterdir()
            if _NAME.fullmatch(path.name) and (path / RUN).is_file()
        ]
        return tuple(sorted(found, key=_age, reverse=True))

    def find(self, wanted: str = LATEST) -> Run:
        """Return the run that `wanted` means.

        An id, its name, an unambiguous beginning of either, `latest`, a scenario (its
        latest run) or `<scenario>/latest`. Raises NoSuchRun.
        """
        known = self.runs()
        scenario, _, name = wanted.rpartition("/")
        of_scenario = [run for run in known if not scenario or run.scenario == scenario]
        if name == LATEST and of_scenario:
            return of_scenario[0]
        for run in known:
            # The newest comes first, so a scenario's name means its latest run.
            if wanted in (run.id, run.scenario):
                return run
        return self._by_prefix(wanted, name, of_scenario)

    def _by_prefix(self, wanted: str, name: str, among: list[Run]) -> Run:
        exact = [run for run in among if name and run.name == name]
        begun = exact or [run for run in among if name and run.name.startswith(name)]
        if len(begun) == 1:
            return begun[0]
        if begun:
            told = ", ".join(run.id for run in begun[:5])
            raise NoSuchRun(
                f"{wanted!r} may be any of {len(begun)} runs", hint=f"say one of {told}"
            )
        hint = "lab report list" if self.runs() else "lab scenario run half-migrated-rename"
        raise NoSuchRun(f"no run {wanted!r} in {self.root}", hint=hint)


def _first_told(history: Path) -> dict[str, Any]:
    """Return what the first line of a history tells of where it was come by."""
    with history.open("rb") as file:
        line = file.readline()
    try:
        event = json.loads(line)
        return {name: event.get(name) for name in TOLD}
    except (ValueError, AttributeError):
        return dict.fromkeys(TOLD)


def _age(run: Run) -> tuple[str, int, str]:
    match = _NAME.fullmatch(run.name)
    assert match
    return match[1], int(match[2] or 1), run.scenario


def _read_object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except RecursionError as exc:
        raise ValueError("it is nested too deeply") from exc
    if not isinstance(found, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004 - the content is wrong, not a type
    return found
