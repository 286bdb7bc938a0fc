"""The figures of the first page say what they are, also when there is none."""

import dataclasses

import pytest

from lab.report import figures
from lab.scenario.stats import wilson
from lab.scenario.verdict import Figures

BROKEN = Figures(
    requests=1000,
    failures=171,
    blast_requests=0.5,
    blast_sessions=0.9,
    blast_endpoints=0.5,
    silent_s=12.34,
    recovery_s=30.0,
    overhang_s=2.5,
    lost_writes=3,
    ambiguous_writes=1,
    duplicated_writes=0,
    wall_s=93.0,
    resolution_s=1 / 60,
    signal="restart of pod a",
)


def table(**changed):
    found = figures.list_figures(dataclasses.replace(BROKEN, **changed))
    return {each.label: (each.value, each.remark) for each in found}


def test_every_figure_says_what_it_is():
    found = table()

    assert found["silent seconds"] == (
        "12.3 s",
        "first user error to first signal: restart of pod a",
    )
    assert found["recovery"] == ("30.0 s", "first to last user error")
    assert found["overhang"] == ("2.50 s", "cause gone to last user error")
    assert found["lost writes"] == ("3", "acknowledged and not there afterwards")


def test_silence_that_nobody_broke_is_endless():
    found = table(silent_s=None)["silent seconds"]

    assert found == ("∞", "users failed and no signal reached an operator")


def test_without_an_error_there_was_nothing_to_be_silent_about():
    found = table(silent_s=None, failures=0, recovery_s=0.0)

    assert found["silent seconds"] == ("-", "no user error")
    assert found["recovery"] == ("-", "no user error")


def test_what_had_not_ended_has_no_duration():
    assert table(recovery_s=None)["recovery"] == ("-", "it had not ended when the run did")


def test_writes_that_were_not_audited_are_not_zero():
    assert table(lost_writes=None)["lost writes"] == ("-", "not audited")


def test_a_share_comes_with_its_interval():
    low, high = wilson(171, 1000)

    found = figures.share_with_interval(171, 1000)

    assert (round(low, 3), round(high, 3)) == (0.149, 0.196)
    assert found == "17.1 % (95 %: 14.9 to 19.6 %)"


@pytest.mark.parametrize(
    ("hits", "total", "text"),
    [(0, 3000, "0 % (95 %: at most 0.10 %)"), (5, 5, "100 % (95 %: 56.6 to 100 %)"), (0, 0, "-")],
)
def test_none_and_all_have_an_interval_too(hits, total, text):
    assert figures.share_with_interval(hits, total) == text
