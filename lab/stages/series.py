"""Play many runs one after the other, within a time, and go on when the lab fails in one.

The place is entered once for all of them, and anew after a run in which the lab could not do its
work: what is left of a twin that broke must not spoil the next run. Whoever interrupts ends all.

With a budget the shortest come first, so that most of them fit. What is expected to take longer
than what is left, with making the place where that has to be made, is not begun; what was begun is
played to its end, since half a run proves nothing. A variant that proved nothing is played once
more only if that fits, too.
"""

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, Self

from lab.errors import Interrupted, InvalidValue, LabError
from lab.scenario.loader import Loaded
from lab.scenario.model import Variant
from lab.scenario.tally import Case
from lab.stages.estimate import Estimates
from lab.stages.place import Ground, Place
from lab.stages.play import Judged, Playing
from lab.store import Run

Tell = Callable[[Case], None]
Arrive = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Planned:
    """One run that is to be played; `round` counts repetitions from 1."""

    loaded: Loaded
    variants: tuple[Variant, ...]
    expected_s: float
    round: int = 1

    @property
    def name(self) -> str:
        return self.loaded.scenario.name


@dataclass(frozen=True, slots=True)
class Budget:
    """`total_s` seconds from when it is made."""

    total_s: float
    now: Callable[[], float] = time.monotonic
    began: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "began", self.now())

    @property
    def left_s(self) -> float:
        return self.total_s - (self.now() - self.began)


def plan(
    chosen: Iterable[tuple[Loaded, tuple[Variant, ...]]],
    estimates: Estimates,
    *,
    rounds: int = 1,
    shortest_first: bool = False,
) -> tuple[Planned, ...]:
    """Return the runs in the order of playing: everything once before anything again."""
    once = [
        Planned(loaded, variants, estimates.seconds(loaded.scenario, variants))
        for loaded, variants in chosen
    ]
    if shortest_first:
        once.sort(key=lambda each: (each.expected_s, each.name))
    return tuple(
        Planned(each.loaded, each.variants, each.expected_s, number)
        for number in range(1, rounds + 1)
        for each in once
    )


@dataclass(slots=True)
class Series:
    """Runs in one place, with one budget or none.

    `tell` gets a case for each variant of each run as soon as it is known, and `arrive` once what
    is known of the place when it was entered. `playing` says how runs are played and where they
    are kept.
    """

    place: Place
    playing: Playing
    estimates: Estimates
    tell: Tell
    budget: Budget | None = None
    retry: bool = True
    arrive: Arrive = lambda _about: None

    def play(self, planned: Sequence[Planned]) -> None:
        """Play all that fits. Raises Interrupted, and LabError when the place cannot be entered."""
        self._refuse_what_cannot_begin(planned)
        with _Entered(self.place, self.arrive) as entered:
            for each in planned:
                # Anew: its first round tells more than what the plan was made from.
                expected_s = self.estimates.seconds(each.loaded.scenario, each.variants)
                begins_s = 0.0 if entered.is_there else self.place.begins_within_s
                if self._fits(begins_s + expected_s):
                    self._play(entered, each, expected_s)
                    self.estimates.forget(each.name)
                else:
                    self._leave_out(each, begins_s + expected_s)

    def _refuse_what_cannot_begin(self, planned: Sequence[Planned]) -> None:
        """Raise InvalidValue where not even one run fits beside making the place for it."""
        place = self.place
        if self.budget is None or not place.begins_within_s or not planned:
            return
        first = min(planned, key=lambda each: each.expected_s)
        parts_s = (place.begins_within_s, first.expected_s, place.ends_within_s)
        if self._fits(place.begins_within_s + first.expected_s):
            return
        begins, plays, ends = (f"{seconds:.0f} s" for seconds in parts_s)
        raise InvalidValue(
            f"a budget of {self.budget.total_s:.0f} s is too small: on {place.name}, {begins} to "
            f"make the cluster, {plays} for {first.name}, the shortest, and {ends} to remove it",
            hint=f"--budget {math.ceil(sum(parts_s) / 60)}m, or {place.quicker}",
        )

    def _left_s(self) -> float:
        return self.budget.left_s - self.place.ends_within_s if self.budget else float("inf")

    def _leave_out(self, planned: Planned, expected_s: float) -> None:
        left = f"{left_s:.0f} s are left" if (left_s := self._left_s()) > 0 else "nothing is left"
        reason = f"it takes about {expected_s:.0f} s, and of the budget {left}"
        for variant in planned.variants:
            self.tell(replace(self._case(planned, variant.name), left_out=reason))

    def _play(self, entered: "_Entered", planned: Planned, expected_s: float) -> None:
        scenario, told = planned.loaded.scenario, _Told()

        def judged(each: Judged) -> None:
            told.variants.add(each.verdict.variant)
            self.tell(self._judged(planned, each))

        playing = replace(
            self.playing,
            may_retry=lambda v: self.retry and self._fits(self.estimates.seconds(scenario, [v])),
            begun=told.begin,
            judged=judged,
            one_of_many=True,
        )
        try:
            ground = entered.ground()
            if not self._fits(expected_s):
                # The place had to be made, and that took what it needed.
                self._leave_out(planned, expected_s)
                return
            playing.play_on(ground, planned.loaded, planned.variants)
        except Interrupted:
            raise
        except LabError as error:
            if not entered.ever:
                raise
            entered.leave(error)
            for variant in planned.variants:
                if variant.name not in told.variants:
                    self.tell(self._failed(planned, variant, told.run, error))

    def _fits(self, seconds: float) -> bool:
        return seconds <= self._left_s()

    def _judged(self, planned: Planned, judged: Judged) -> Case:
        case = self._case(planned, judged.verdict.variant, judged.run)
        return replace(case, verdict=judged.verdict, invalid=judged.invalid)

    def _failed(self, planned: Planned, variant: Variant, run: Run | None, error: LabError) -> Case:
        case = self._case(planned, variant.name, run)
        return replace(case, error=error.message, hint=error.hint or "")

    def _case(self, planned: Planned, variant: str, run: Run | None = None) -> Case:
        return Case(
            planned.name,
            variant,
            self.place.name,
            planned.round,
            run=run.id if run else "",
            directory=str(run.path) if run else "",
        )


@dataclass(slots=True)
class _Told:
    """What is known of a run that is being played: its place, and the variants that are judged."""

    run: Run | None = None
    variants: set[str] = field(default_factory=set)

    def begin(self, run: Run) -> None:
        self.run = run


class _Entered:
    """A place that is entered when it is first needed, and can be left to be entered anew."""

    def __init__(self, place: Place, arrive: Arrive) -> None:
        self.ever = False
        self._place, self._arrive = place, arrive
        self._open = ExitStack()
        self._ground: Ground | None = None

    def ground(self) -> Ground:
        if self._ground is None:
            self._ground = self._open.enter_context(self._place.enter())
            if not self.ever:
                self._arrive(self._ground.about)
            self.ever = True
        return self._ground

    def leave(self, error: LabError) -> None:
        """Leave because of `error`, which is told in any case: what follows from it is not."""
        self._ground = None
        try:
            self._open.__exit__(type(error), error, error.__traceback__)
        except Interrupted:
            raise
        except LabError:
            pass

    @property
    def is_there(self) -> bool:
        return self._ground is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        self._open.__exit__(kind, *rest)
