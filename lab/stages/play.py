"""Play variants of a scenario in a place, judge each, and keep everything as a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lab.errors import (
    EXIT_INVALID,
    EXIT_NOT_AS_PREDICTED,
    BadInput,
    HistoryDamaged,
    NoSuchRun,
)
from lab.progress import Progress
from lab.scenario import judge, runner
from lab.scenario.history import History, Recorder
from lab.scenario.loader import Loaded
from lab.scenario.model import Scenario, Variant
from lab.scenario.verdict import Outcome, Verdict
from lab.stages.narrate import Narrator
from lab.stages.place import Ground, Place
from lab.store import Run, Store

FORMAT = 1
BOTH = "both"


@dataclass(frozen=True, slots=True)
class Played:
    """A stored run and what was said about each variant of it, in the order of playing."""

    run: Run
    verdicts: tuple[Verdict, ...]

    @property
    def exit_code(self) -> int:
        """A wrong prediction counts more than a run that proves nothing, and both than none."""
        return exit_code(self.verdicts)


def exit_code(verdicts: Sequence[Verdict]) -> int:
    if any(not v.as_predicted and v.outcome is not Outcome.INVALID for v in verdicts):
        return EXIT_NOT_AS_PREDICTED
    return EXIT_INVALID if any(v.outcome is Outcome.INVALID for v in verdicts) else 0


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


def play(
    place: Place,
    loaded: Loaded,
    variants: Sequence[Variant],
    *,
    store: Store,
    progress: Progress,
) -> Played:
    """Play the variants one after the other in `place`, which can show the scenario.

    Raises LabError when the lab could not do its work; what was judged before that is kept.
    """
    with place.enter() as ground:
        run = store.create(loaded.scenario.name, describe(loaded, ground))
        verdicts = [_play(ground, loaded.scenario, each, run, store, progress) for each in variants]
        return Played(run, tuple(verdicts))


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


def _play(
    ground: Ground, scenario: Scenario, variant: Variant, run: Run, store: Store, progress: Progress
) -> Verdict:
    path = store.begin_variant(run, variant.name)
    stage, undo_log = ground.prepare()
    with Recorder(path) as sink, Narrator(variant.name, progress) as narrator:
        runner.play(
            scenario,
            variant,
            run=f"{run.name}-{variant.name}".lower(),
            stage=stage,
            sink=sink,
            undo_log=undo_log,
            listener=narrator,
        )
    ground.let_be()
    # Judged from what is on the disk, which is all that `lab report recheck` will have.
    verdict = judge.judge(scenario, variant, History.read(path))
    store.write_verdict(run, verdict)
    return verdict


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
