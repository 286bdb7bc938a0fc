"""Play variants of a scenario in a place, judge each, and keep everything as a run.

A variant whose run proved nothing may be played once more, and only that one: a verdict that is
not liked stays. The first try is kept beside the run, and the history of the second says so.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from lab.errors import BadInput, HistoryDamaged, NoSuchRun
from lab.progress import Progress
from lab.scenario import judge, runner, tally
from lab.scenario.announce import announce, foresee
from lab.scenario.events import Event
from lab.scenario.history import History, Recorder
from lab.scenario.loader import Loaded
from lab.scenario.model import Scenario, Variant
from lab.scenario.runner import Bounds
from lab.scenario.tape import Clock, Sink
from lab.scenario.verdict import Outcome, Verdict
from lab.stages.foreseen import earlier
from lab.stages.narrate import Narrator
from lab.stages.place import Ground, Place
from lab.store import FORMAT, Run, Store

BOTH = "both"
TRIES = 2


@dataclass(frozen=True, slots=True)
class Judged:
    """One variant of a stored run; `invalid`: why each earlier try of it proved nothing."""

    run: Run
    verdict: Verdict
    invalid: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Played:
    """A stored run and what was said about each variant of it, in the order of playing."""

    run: Run
    judged: tuple[Judged, ...]

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        return tuple(each.verdict for each in self.judged)

    @property
    def exit_code(self) -> int:
        return exit_code(self.verdicts)


def exit_code(verdicts: Sequence[Verdict]) -> int:
    return tally.worst(map(tally.code_of, verdicts))


def choose(scenario: Scenario, name: str) -> tuple[Variant, ...]:
    """Return the variant of that name, or for `both` careless and then careful."""
    if name == BOTH:
        return (scenario.careless, scenario.careful)
    for variant in scenario.variants:
        if variant.name == name:
            return (variant,)
    known = ", ".join((BOTH, *(variant.name for variant in scenario.variants)))
    raise BadInput(
        f"scenario {scenario.name!r} has no variant {name!r}; there are {known}",
        hint=f"lab scenario show {scenario.name}",
    )


@dataclass(frozen=True, slots=True)
class Playing:
    """How variants are played, wherever that is.

    `may_retry` is asked before a variant that proved nothing is played once more. `begun` is
    told the stored run before its first variant, `judged` each variant when it was judged.
    `one_of_many`: progress names the scenario, too.
    `bounds` and `clock` are those of `lab.scenario.runner`.
    """

    store: Store
    progress: Progress
    may_retry: Callable[[Variant], bool] = lambda _variant: True
    begun: Callable[[Run], None] = lambda _run: None
    judged: Callable[[Judged], None] = lambda _judged: None
    one_of_many: bool = False
    bounds: Bounds | None = None
    clock: Clock | None = None

    def play(self, place: Place, loaded: Loaded, variants: Iterable[Variant]) -> Played:
        """Play the variants one after the other in `place`, which can show the scenario.

        Raises LabError when the lab could not do its work; what was judged before that is kept.
        """
        with place.enter() as ground:
            return self.play_on(ground, loaded, variants)

    def play_on(self, ground: Ground, loaded: Loaded, variants: Iterable[Variant]) -> Played:
        """Play the variants on a ground that was entered; raises as `play` does."""
        run = self.store.create(loaded.scenario.name, describe(loaded, ground))
        self.begun(run)
        found = []
        for variant in variants:
            found.append(self._play(ground, loaded.scenario, variant, run))
            self.judged(found[-1])
        return Played(run, tuple(found))

    def _play(self, ground: Ground, scenario: Scenario, variant: Variant, run: Run) -> Judged:
        invalid: list[tuple[str, ...]] = []
        while True:
            verdict = self._try(ground, scenario, variant, run, invalid)
            is_last = len(invalid) + 1 == TRIES
            if verdict.outcome is not Outcome.INVALID or is_last or not self.may_retry(variant):
                return Judged(run, verdict, tuple(invalid))
            invalid.append(verdict.reasons)
            self.store.set_aside(run, variant.name)

    def _try(
        self,
        ground: Ground,
        scenario: Scenario,
        variant: Variant,
        run: Run,
        invalid: Sequence[Sequence[str]],
    ) -> Verdict:
        path = self.store.begin_variant(run, variant.name)
        stage, undo_log = ground.prepare()
        # An id of its own for each try: the observer may still know the other.
        again = f"-{len(invalid) + 1}" if invalid else ""
        with (
            Recorder(path) as recorder,
            Narrator(self._title(scenario, variant, invalid), self.progress) as narrator,
        ):
            runner.play(
                scenario,
                variant,
                run=f"{run.name}-{variant.name}{again}".lower(),
                stage=stage,
                sink=Preface(
                    recorder,
                    partial(self._announce, variant),
                    [_once_more(reasons) for reasons in invalid],
                ),
                undo_log=undo_log,
                listener=narrator,
                bounds=self.bounds,
                clock=self.clock,
            )
        ground.let_be()
        # Judged from what is on the disk, which is all that `lab report recheck` will have.
        verdict = judge.judge(scenario, variant, History.read(path))
        self.store.write_verdict(run, verdict)
        return verdict

    def _announce(self, variant: Variant, begun: Event) -> Event:
        # What follows from the scenario is sharper than what happened the last time.
        forecast = foresee(variant, begun) or earlier(self.store, variant, begun)
        return announce(variant, begun, forecast)

    def _title(self, scenario: Scenario, variant: Variant, invalid: Sequence[object]) -> str:
        of_what = f"{scenario.name} " if self.one_of_many else ""
        return f"{of_what}{variant.name}{', once more' if invalid else ''}"


def _once_more(reasons: Sequence[str]) -> str:
    return f"played once more, since a try before this proved nothing: {'; '.join(reasons)}"


@dataclass(slots=True)
class Preface:
    """A sink that writes two things behind the first event, which tells what run it is: what is
    announced of it, and notes."""

    sink: Sink
    announce: Callable[[Event], Event]
    notes: list[str] = field(default_factory=list)
    is_begun: bool = False

    def append(self, events: Iterable[Event]) -> None:
        batch = list(events)
        if batch and not self.is_begun:
            self.is_begun, first = True, batch[0]
            notes = [{"kind": "note", "t": first["t"], "text": text} for text in self.notes]
            batch[1:1] = [*notes, self.announce(first)]
        self.sink.append(batch)


def describe(loaded: Loaded, ground: Ground) -> dict[str, Any]:
    """Return what is known of a run before it begins."""
    scenario, guide = loaded.scenario, loaded.guide
    return {
        "format": FORMAT,
        "scenario": scenario.name,
        "title": scenario.title,
        "question": scenario.question,
        "page": guide.page,
        "lesson": guide.lesson,
        "safe": list(guide.safe),
        "unsafe": list(guide.unsafe),
        "evidence": list(guide.evidence),
        **ground.about,
    }


def recheck(loaded: Loaded, run: Run, *, store: Store) -> tuple[tuple[Verdict, bool], ...]:
    """Judge a stored run again; return each new verdict, and whether it differs from the old one.

    Raises HistoryDamaged, and BadInput for a variant that the scenario no longer has.
    """
    if not run.variants:
        raise HistoryDamaged(f"run {run.id} holds no history", hint=f"ls -l {run.path}")
    found = []
    for name in run.variants:
        (variant,) = choose(loaded.scenario, name)
        verdict = judge.judge(loaded.scenario, variant, History.read(run.history(name)))
        found.append((verdict, _differs(store, run, verdict)))
        store.write_verdict(run, verdict)
    return tuple(found)


def _differs(store: Store, run: Run, verdict: Verdict) -> bool:
    try:
        return store.read_verdict(run, verdict.variant) != verdict
    except (NoSuchRun, HistoryDamaged):
        return True
