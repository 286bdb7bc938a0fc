"""What many runs come to together: the exit code, what is flaky, a summary."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.scenario import tally
from lab.scenario.tally import Case
from lab.scenario.verdict import Figures, Outcome, Verdict

FIGURES = Figures(100, 5, 0.05, 0.1, 0.5, None, 1.0, None, 0, 0, 0, 30.0, 0.02)


def verdict(outcome: Outcome, *, as_predicted: bool = True) -> Verdict:
    return Verdict("s", "careless", outcome, (), (), (), FIGURES, as_predicted)


GOOD = Case("s", "careless", "twin", verdict=verdict(Outcome.REPRODUCED))
WRONG = replace(GOOD, verdict=verdict(Outcome.NOT_REPRODUCED, as_predicted=False))
INVALID = replace(GOOD, verdict=verdict(Outcome.INVALID, as_predicted=False))
FAILED = Case("s", "careless", "twin", error="no database")
LEFT_OUT = Case("s", "careless", "twin", left_out="it does not fit")


@pytest.mark.parametrize(
    ("cases", "code"),
    [
        ([GOOD], 0),
        ([GOOD, INVALID], 3),
        ([INVALID, WRONG, GOOD], 1),
        ([WRONG, FAILED, INVALID], 4),
        ([GOOD, LEFT_OUT], 0),
        ([LEFT_OUT], 3),
        ([], 3),
    ],
)
def test_the_worst_of_all_counts(cases: list[Case], code: int) -> None:
    assert tally.exit_code(cases) == code


@given(st.lists(st.sampled_from([GOOD, WRONG, INVALID, FAILED, LEFT_OUT])))
def test_more_cases_never_make_it_better(cases: list[Case]) -> None:
    order = tally.PRECEDENCE
    codes = [tally.exit_code(cases[:length]) for length in range(1, len(cases) + 1)]
    played = [code for code, case in zip(codes, cases, strict=True) if case.code is not None]

    assert played == sorted(played, key=order.index, reverse=True)
    assert tally.exit_code(cases) == tally.exit_code(cases[::-1])


def test_repetitions_that_disagree_are_flaky() -> None:
    (flaky,) = tally.flaky([GOOD, WRONG, GOOD, FAILED])

    assert (flaky.scenario, flaky.variant) == ("s", "careless")
    assert flaky.sentence == (
        "reproduced (as predicted) 2 of 3, not reproduced (not as predicted) 1 of 3"
    )


def test_what_is_red_for_another_reason_once_is_flaky_too() -> None:
    other = replace(GOOD, verdict=verdict(Outcome.REPRODUCED, as_predicted=False))

    assert len(tally.flaky([GOOD, other])) == 1


def test_what_proves_nothing_takes_no_side() -> None:
    assert tally.flaky([GOOD, INVALID, GOOD]) == ()


def test_two_variants_may_well_come_to_different_ends() -> None:
    careful = replace(GOOD, variant="careful", verdict=verdict(Outcome.PREVENTED))

    assert tally.flaky([GOOD, careful]) == ()


def test_the_summary_counts_what_there_is() -> None:
    twice = replace(GOOD, invalid=(("baseline: one failed",),))

    assert tally.summary([GOOD, twice, INVALID, LEFT_OUT]) == (
        "2 as predicted, 1 proved nothing, 1 left out, 1 tried twice"
    )
    assert tally.summary([]) == "nothing was played"


@pytest.mark.parametrize(
    ("case", "told"),
    [(FAILED, "no database"), (LEFT_OUT, "left out: it does not fit")],
)
def test_a_case_without_a_verdict_says_why(case: Case, told: str) -> None:
    assert case.reasons == (told,)
