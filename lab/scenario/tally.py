"""What came of all that was to be played, taken together?

Pure: cases go in, an exit code and sentences come out. A wrong prediction is worse than a run
that proves nothing, and that the lab could not do its work is worse than both. What was left out
says nothing; but where nothing at all was played, nothing is proved.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lab.errors import EXIT_FAILED, EXIT_INVALID, EXIT_NOT_AS_PREDICTED
from lab.scenario.verdict import Outcome, Verdict

PRECEDENCE = (EXIT_FAILED, EXIT_NOT_AS_PREDICTED, EXIT_INVALID, 0)


@dataclass(frozen=True, slots=True)
class Case:
    """One variant that was to be played once.

    Exactly one of these is set: `verdict`; `error`, why the lab could not do its work; or
    `left_out`, why it was not begun. `run` is the id of the stored run and `directory` where it
    is, both "" where there is none. `round` counts repetitions from 1. `invalid` holds, for
    each earlier try, why that one proved nothing.
    """

    scenario: str
    variant: str
    stage: str
    round: int = 1
    run: str = ""
    directory: str = ""
    verdict: Verdict | None = None
    error: str = ""
    hint: str = ""
    left_out: str = ""
    invalid: tuple[tuple[str, ...], ...] = ()

    @property
    def code(self) -> int | None:
        """The exit code that this case alone would have, None where it was left out."""
        if self.verdict:
            return code_of(self.verdict)
        return EXIT_FAILED if self.error else None

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return why it is not a plain success, in sentences."""
        if self.verdict:
            return self.verdict.reasons
        return (self.error or f"left out: {self.left_out}",)


@dataclass(frozen=True, slots=True)
class Flaky:
    """A variant whose repetitions disagree. What proves nothing takes no side."""

    scenario: str
    variant: str
    outcomes: tuple[tuple[str, int], ...]

    @property
    def sentence(self) -> str:
        total = sum(count for _, count in self.outcomes)
        return ", ".join(f"{outcome} {count} of {total}" for outcome, count in self.outcomes)


def code_of(verdict: Verdict) -> int:
    if verdict.outcome is Outcome.INVALID:
        return EXIT_INVALID
    return 0 if verdict.as_predicted else EXIT_NOT_AS_PREDICTED


def worst(codes: Iterable[int]) -> int:
    """Return the exit code of several runs; of none at all that of one that proves nothing."""
    return min(codes, key=PRECEDENCE.index, default=EXIT_INVALID)


def exit_code(cases: Iterable[Case]) -> int:
    return worst(case.code for case in cases if case.code is not None)


def flaky(cases: Iterable[Case]) -> tuple[Flaky, ...]:
    """Return the variants of which two valid runs came to different ends."""
    ends: dict[tuple[str, str], Counter[str]] = {}
    for case in cases:
        if case.verdict and case.verdict.outcome is not Outcome.INVALID:
            ends.setdefault((case.scenario, case.variant), Counter())[_end(case.verdict)] += 1
    return tuple(
        Flaky(*who, tuple(counted.most_common()))
        for who, counted in ends.items()
        if len(counted) > 1
    )


def _end(verdict: Verdict) -> str:
    """Return what a verdict comes to; a proof may also be red for another reason than predicted."""
    told = "as predicted" if verdict.as_predicted else "not as predicted"
    return f"{verdict.outcome.value} ({told})"


def summary(cases: Sequence[Case]) -> str:
    """Return one line: how many came how."""
    codes = Counter(case.code for case in cases)
    told = (
        (codes[0], "as predicted"),
        (codes[EXIT_NOT_AS_PREDICTED], "not as predicted"),
        (codes[EXIT_INVALID], "proved nothing"),
        (codes[EXIT_FAILED], "could not be played"),
        (codes[None], "left out"),
        (sum(bool(case.invalid) for case in cases), "tried twice"),
    )
    return ", ".join(f"{count} {what}" for count, what in told if count) or "nothing was played"
