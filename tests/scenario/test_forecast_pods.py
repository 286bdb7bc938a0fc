"""A rollout that is played in advance keeps the controller's rules."""

from itertools import pairwise
from math import inf

import pytest

from lab.scenario.forecast_line import added, at, between, drawn, times
from lab.scenario.forecast_pods import BEFORE, Life, Rule, ended, rolled, serving, share_of

RULE = Rule(replicas=4, surge=1, unavailable=0, hold_s=5, end_s=2, start_s=3)
SHAPES = [(1, 1, 0), (4, 1, 0), (4, 2, 0), (4, 0, 1), (4, 1, 1), (10, 3, 2), (4, 4, 4), (3, 5, 0)]


def whole(rule: Rule) -> tuple[Life, ...]:
    return rolled(rule, serving(rule, "old"), "new", begin=10)


@pytest.mark.parametrize(("replicas", "surge", "unavailable"), SHAPES)
def test_never_too_many_pods_and_never_too_few_available(replicas, surge, unavailable):
    rule = Rule(replicas, surge, unavailable, hold_s=5, end_s=2, start_s=3)
    lives = whole(rule)

    moments = sorted({t for each in lives for t in (each.ready, each.out) if BEFORE < t < inf})
    for now in [*moments, moments[-1] + 10]:
        # What begins at `now` is there: a pod is made its start time before it is ready.
        made = [e for e in lives if e.ready - rule.start_s <= now < e.out]
        available = [e for e in lives if e.ready <= now - rule.hold_s and now < e.out]
        assert len(made) <= replicas + surge
        assert len(available) >= replicas - unavailable
    assert [each.release for each in lives if each.out == inf] == ["new"] * replicas


def test_one_after_the_other_takes_start_and_hold_each():
    lives = whole(RULE)

    assert [each.out for each in lives if each.release == "old"] == [18, 26, 34, 42]
    assert [each.ready for each in lives if each.release == "new"] == [13, 21, 29, 37]
    assert ended(lives, "old") == 42
    assert ended(lives, "new") == inf


def test_a_longer_hold_and_a_smaller_surge_take_longer():
    def end(**changes: float) -> float:
        told = {"replicas": 4, "surge": 1, "unavailable": 0, "hold_s": 5, "end_s": 2, "start_s": 3}
        return ended(whole(Rule(**(told | changes))), "old")

    assert end(hold_s=6) == end() + 4
    assert end(surge=2) < end()
    assert end(replicas=5) == end() + 8


def test_a_rollout_that_is_taken_back_half_way_ends_with_those_it_began_with():
    half = rolled(RULE, serving(RULE, "old"), "new", begin=10, until=22)
    back = rolled(RULE, half, "old", begin=30)

    # Both new ones were ready by 22, and only one of the old ones gone.
    assert [each.release for each in half if each.out == inf] == ["old"] * 3 + ["new"] * 2
    assert {each.release for each in back if each.out == inf} == {"old"}
    assert share_at(back, "old", 100) == 1


def share_at(lives: tuple[Life, ...], release: str, second: float, kept: float = 0) -> float:
    return at(share_of(release, lives, RULE, kept=kept), second)


def test_new_connections_meet_ready_pods_and_kept_ones_those_they_have():
    lives = whole(RULE)

    assert share_at(lives, "old", 12) == 1
    assert share_at(lives, "old", 14) == pytest.approx(4 / 5)
    assert share_at(lives, "old", 19) == pytest.approx(3 / 4)
    assert share_at(lives, "old", 19, kept=1) == 1
    # Two seconds later its quarter is spread over three old pods and a new one.
    assert share_at(lives, "old", 20, kept=1) == pytest.approx(3 / 4 + 1 / 4 * 3 / 4)
    assert share_at(lives, "old", 43, kept=1) > 0
    assert share_at(lives, "old", 44, kept=1) == pytest.approx(0)


@pytest.mark.parametrize("kept", [0, 0.25, 1])
def test_everybody_meets_the_one_or_the_other(kept):
    lives = whole(RULE)

    for second in range(60):
        both = share_at(lives, "old", second, kept) + share_at(lives, "new", second, kept)
        assert both == pytest.approx(1)


def test_pods_that_end_together_leave_their_connections_to_those_that_stay():
    lives = whole(Rule(replicas=4, surge=4, unavailable=0, hold_s=5, end_s=2, start_s=3))

    assert share_at(lives, "new", 19, kept=1) == 0
    assert share_at(lives, "new", 20, kept=1) == pytest.approx(1)


def test_lines_are_cut_scaled_and_added_step_by_step():
    line = ((BEFORE, 1.0), (5.0, 3.0))

    assert between(line, 2, 8) == ((2, 1.0), (5.0, 3.0), (8, 0.0))
    assert times(line, 2) == ((BEFORE, 2.0), (5.0, 6.0))
    assert added(((0.0, 1.0), (4.0, 0.0)), ((2.0, 5.0),)) == ((0, 1), (2, 6), (4, 5))
    assert at(line[1:], 4) == 0


def test_what_is_drawn_begins_at_once_and_has_no_step_that_is_none():
    line = ((2.0, 0.0), (3.001, 1.0), (3.002, 2.0), (4.0, 2.0), (5.0, 0.0))

    assert drawn(line) == ((0.0, 0.0), (3.0, 2.0), (5.0, 0.0))
    assert [b > a for (a, _), (b, _) in pairwise(drawn(line))] == [True, True]
    assert drawn(((-5.0, 3.0), (2.0, 0.0)))[0] == (-5.0, 3.0)
