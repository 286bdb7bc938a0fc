"""How often do two pods meet at boot by themselves: what is counted, and how it is told."""

from benchmarks.race import BARRIER, NAME, told, without_barrier
from lab import content
from lab.scenario import loader
from lab.scenario.verdict import Outcome

CARELESS = loader.load(content.folder("scenarios"), NAME).scenario.careless


def test_only_the_barrier_is_left_out():
    before = [step.name for step in CARELESS.timeline]
    left = [step.name for step in without_barrier(CARELESS).timeline]

    assert [name for name in before if name not in left] == [BARRIER]


def test_nothing_that_is_left_waits_for_the_barrier():
    sentences = [step.when.sentence for step in without_barrier(CARELESS).timeline]

    assert any(BARRIER in step.when.sentence for step in CARELESS.timeline)
    assert not any(BARRIER in sentence for sentence in sentences)


def test_runs_that_prove_nothing_do_not_count():
    outcomes = [Outcome.REPRODUCED, Outcome.NOT_REPRODUCED, Outcome.INVALID]

    assert told(outcomes) == "1 of 2 runs, 95 %: 9% to 91%"
    assert told([Outcome.INVALID]) == "no run could be trusted"
