"""Which runs prove a stage so far? Kept in a file beside the runs, which a kill leaves whole.

The file names runs and nothing more: what each came to is read from the run itself. A run counts
as long as it can be read and its scenario's file and its clock are still those that were played.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from lab.errors import HistoryDamaged, LabError
from lab.files import make_dir, write_json
from lab.paths import Caller
from lab.scenario.loader import FILE, Loaded
from lab.scenario.model import Variant
from lab.scenario.verdict import Verdict
from lab.stages import clock_mode
from lab.stages.clock_mode import ClockMode
from lab.store import Store

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """A variant that was judged; `digest` is of the scenario's file as it was then."""

    scenario: str
    variant: str
    run: str
    digest: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A variant that the lab could not play."""

    scenario: str
    variant: str
    error: str


@dataclass(frozen=True, slots=True)
class Result:
    """What an entry came to, read from its run; `tries` is above 1 if one proved nothing."""

    scenario: str
    variant: str
    run: str
    verdict: Verdict
    tries: int
    where: dict[str, Any]


@dataclass(slots=True)
class State:
    """On disk before each method that changes it returns."""

    path: Path
    owner: Caller
    entries: list[Entry] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    @classmethod
    def load(cls, path: Path, *, owner: Caller) -> Self:
        """Read it; there is none before the first run. Raises HistoryDamaged."""
        try:
            told = json.loads(path.read_bytes())
            entries = [Entry(**each) for each in told["entries"]]
            return cls(path, owner, entries, [Failure(**each) for each in told["failures"]])
        except FileNotFoundError:
            return cls(path, owner)
        except (ValueError, TypeError, LookupError) as exc:
            raise HistoryDamaged(f"{path} is no state of a proof: {exc}", hint="--afresh") from exc

    def add(self, entry: Entry) -> None:
        self.entries.append(entry)
        self._save()

    def fail(self, failure: Failure) -> None:
        self.failures.append(failure)
        self._save()

    def try_again(self) -> None:
        """What failed before is played again, and told only if it fails again."""
        self.failures = []
        self._save()

    def forget(self) -> None:
        self.entries, self.failures = [], []
        self._save()

    def _save(self) -> None:
        make_dir(self.path.parent, owner=self.owner)
        told = {
            "format": FORMAT,
            "entries": [asdict(each) for each in self.entries],
            "failures": [asdict(each) for each in self.failures],
        }
        write_json(self.path, told, owner=self.owner, mode=0o644)


def digest(folder: Path, scenario: str, clock: ClockMode) -> str:
    """Return another one when the scenario is another, or what the clock shortens."""
    digest = hashlib.sha256((folder / scenario / FILE).read_bytes())
    if clock.is_other:
        digest.update(repr(clock).encode())
    return digest.hexdigest()[:16]


def span(results: Iterable[Result]) -> str:
    """Return the days of the oldest and the newest of the runs, or the one day."""
    days = sorted({Path(each.run).name[:8] for each in results})
    told = [f"{day[:4]}-{day[4:6]}-{day[6:]}" for day in days]
    return " to ".join(dict.fromkeys((told[0], told[-1]))) if told else "never"


def title(stage: str, clock: str) -> str:
    """Return what a proof is called by file and marks: what was made fast is another one."""
    return stage if clock == clock_mode.HONEST.name else f"{stage}-{clock}"


def results(
    state: State, store: Store, digests: dict[str, str], *, clock: str
) -> tuple[Result, ...]:
    """Return what counts, in the order of playing; runs on another clock do not."""
    current = [each for each in state.entries if digests.get(each.scenario) == each.digest]
    found = (_result(each, store) for each in current)
    return tuple(each for each in found if each is not None and each.where["clock"] == clock)


def _result(entry: Entry, store: Store) -> Result | None:
    try:
        run = store.find(entry.run)
        verdict = store.read_verdict(run, entry.variant)
        told = next(t for t in store.objects(run) if t["variant"] == entry.variant)
    except (LabError, StopIteration):
        return None
    where = {name: told.get(name) for name in ("stage", "distribution", "version", "clock")}
    return Result(entry.scenario, entry.variant, run.id, verdict, told["tries"], where)


def missing(
    found: Iterable[Result], wanted: Sequence[tuple[Loaded, tuple[Variant, ...]]], times: int
) -> tuple[tuple[int, Loaded, tuple[Variant, ...]], ...]:
    """Return what is still to be played: number of the round from 1, scenario, variants.

    All scenarios once before one of them again; in every second round the variants come in the
    other order, so that none always has the warmer caches.
    """
    have = [(each.scenario, each.variant) for each in found]
    rounds = []
    for number in range(1, times + 1):
        for loaded, variants in wanted:
            name = loaded.scenario.name
            left = tuple(v for v in variants if have.count((name, v.name)) < number)
            if left:
                rounds.append((number, loaded, left if number % 2 else left[::-1]))
    return tuple(rounds)
