"""The figures of the benchmark."""

from benchmarks.observer.generators import nanoseconds
from benchmarks.observer.punctuality import Lag, lag

MS = 1_000_000


def test_lag_counts_from_the_most_punctual_request() -> None:
    begin = 5_000 * MS
    late = {0: 1, 1: 1, 2: 4, 3: 1}

    sent = {number: begin + number * 10 * MS + ms * MS for number, ms in late.items()}

    assert lag(sent, rate=100) == Lag(p50=0, p99=3, greatest=3)


def test_requests_before_the_first_one_told_do_not_matter() -> None:
    sent = {number: number * 10 * MS for number in range(7, 20)}

    assert lag(sent, rate=100) == Lag(0, 0, 0)


def test_no_digit_of_a_timestamp_is_dropped() -> None:
    assert nanoseconds("1970-01-01T00:00:01.123456789Z") == 1_123_456_789
    assert nanoseconds("1970-01-01T01:00:01.5+01:00") == 1_500_000_000
    assert nanoseconds("1970-01-01T00:00:02Z") == 2_000_000_000
