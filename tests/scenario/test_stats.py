"""Figures that say how sure they are."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.scenario import stats, traffic
from lab.scenario.history import History
from tests.scenario.histories import careless, half_migrated_rename


@pytest.mark.parametrize(
    ("share", "value"), [(0, 1), (0.5, 5), (0.51, 6), (0.99, 10), (1, 10), (0.1, 1), (0.11, 2)]
)
def test_a_percentile_is_one_of_the_values(share: float, value: float):
    assert stats.percentile(range(10, 0, -1), share) == value


@pytest.mark.parametrize(("values", "share"), [([], 0.5), ([1], 1.1), ([1], -0.1)])
def test_a_percentile_of_nothing_is_refused(values: list[float], share: float):
    with pytest.raises(ValueError, match=r"no values|not within"):
        stats.percentile(values, share)


@settings(derandomize=True, deadline=None)
@given(st.lists(st.floats(0, 1e9), min_size=1), st.floats(0, 1))
def test_no_more_than_the_share_is_above_a_percentile(values: list[float], share: float):
    found = stats.percentile(values, share)

    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-6


@settings(derandomize=True, deadline=None)
@given(st.integers(1, 10**6), st.data())
def test_a_rate_lies_within_its_interval(of: int, data: st.DataObject):
    hits = data.draw(st.integers(0, of))
    low, high = stats.wilson(hits, of)

    assert 0 <= low <= hits / of <= high <= 1


@pytest.mark.parametrize(("hits", "of"), [(4, 20), (1, 3000), (2999, 3000), (0, 50)])
def test_at_its_ends_what_was_seen_is_just_as_far_as_allowed(hits: int, of: int):
    # Wilson's definition: rates p of which the seen one is at most z standard deviations off.
    for p in stats.wilson(hits, of):
        off = (hits / of - p) ** 2
        assert off == pytest.approx(stats.Z95**2 * p * (1 - p) / of, abs=1e-12)


@pytest.mark.parametrize(("hits", "of"), [(1, 0), (-1, 3), (4, 3), (0, 0)])
def test_what_is_no_rate_has_no_interval(hits: int, of: int):
    with pytest.raises(ValueError, match="no rate"):
        stats.wilson(hits, of)


@pytest.mark.parametrize(("of", "limit"), [(3600, 3 / 3600), (1, 1), (3, 1), (6, 0.5)])
def test_nothing_seen_still_has_a_limit(of: int, limit: float):
    assert stats.rule_of_three(of) == pytest.approx(limit)


def test_nothing_looked_at_has_no_limit():
    with pytest.raises(ValueError, match="nothing"):
        stats.rule_of_three(0)


def test_every_request_is_in_one_second_of_one_series():
    requests = traffic.requests(History(careless(half_migrated_rename()).events()))

    series = stats.per_second(requests, begin=0)

    assert sum(sum(counts.values()) for counts in series.values()) == len(requests)
    assert {key[0] for key in series} == {"v1", "v2-naive"}
    assert max(series["v1", "ok"]) < max(series["v2-naive", "ok"])
