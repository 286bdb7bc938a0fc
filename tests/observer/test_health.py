"""Figures about the client itself."""

import time

import pytest

from lab.observer.health import Health, family_cpu_time_s, percentile


@pytest.mark.parametrize(
    ("values", "share", "value"),
    [
        ([], 0.99, 0),
        ([7], 0.99, 7),
        ([7], 1, 7),
        (list(range(1, 101)), 0.99, 99),
        (list(range(1, 101)), 1, 100),
        (list(range(1, 102)), 0.99, 100),
        (list(range(1, 11)), 0.5, 5),
    ],
)
def test_a_percentile_is_a_value_that_was_measured(
    values: list[int], share: float, value: int
) -> None:
    assert percentile(values, share) == value


def test_each_line_tells_of_its_own_second() -> None:
    health = Health(lambda: 0.0)
    health.note_lag(3_000_000)

    assert health.line()["lag_max_ms"] == 3
    assert health.line()["lag_max_ms"] == 0


def test_the_share_of_a_core_is_that_of_the_time_between_two_lines() -> None:
    spent = iter([10.0, 10.0, 9.0])
    health = Health(lambda: next(spent))

    assert health.line()["cpu"] == 0
    # The time of a process that ended is gone from the sum.
    assert health.line()["cpu"] == 0


def test_cpu_time_that_is_used_is_seen() -> None:
    before, began = family_cpu_time_s(), time.process_time()
    while time.process_time() - began < 0.02:
        pass

    assert family_cpu_time_s() - before >= 0.02
