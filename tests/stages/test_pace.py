"""What is done waits for a person; what is watched goes on."""

from lab import content
from lab.scenario.history import History
from lab.scenario.loader import load
from lab.stages.pace import HOLD_S, one_by_one, paced

CARELESS = load(content.folder("scenarios"), "half-migrated-rename").scenario.careless


class Gate:
    def __init__(self, *open_: str) -> None:
        self.open, self.asked, self.begun = set(open_), [], []

    def may_pass(self, variant: str, step: str) -> bool:
        self.asked.append((variant, step))
        return step in self.open

    def wait_for(self, variant: str) -> None:
        self.begun.append(variant)


def test_only_what_is_done_is_held():
    held = paced(CARELESS, Gate())

    pairs = list(zip(CARELESS.timeline, held.timeline, strict=True))
    assert [was == now for was, now in pairs] == [was.fault is None for was, now in pairs]
    assert held.timeline[0].when.within_s == CARELESS.timeline[0].when.within_s + HOLD_S
    assert held.checks == CARELESS.checks


def test_nobody_is_asked_before_a_step_could_come():
    gate = Gate("migrate")
    first = paced(CARELESS, gate).timeline[0].when

    assert not first.holds(History(), 0)
    assert gate.asked == []
    baseline = {"kind": "phase", "t": 0, "name": "run"}
    assert first.holds(History([{**baseline, "name": "baseline"}, baseline]), 1)
    assert gate.asked == [("careless", "migrate")]


def test_each_variant_begins_when_it_may():
    gate = Gate()
    variants = one_by_one([CARELESS, CARELESS], gate)

    next(variants)
    assert gate.begun == ["careless"]
