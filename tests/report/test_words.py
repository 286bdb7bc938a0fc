"""Numbers look the same wherever they stand."""

import pytest

from lab.report import words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1027, "1 027"),
        (1234567, "1 234 567"),
        (766.8, "767"),
        (21.94, "21.9"),
        (0.344, "0.34"),
        (1.0, "1"),
        (float("inf"), "∞"),
    ],
)
def test_number(value, text):
    assert words.number(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (None, "-"),
        (0, "0 %"),
        (1, "100 %"),
        (0.1706, "17.1 %"),
        (0.005, "0.50 %"),
        (0.0005, "0.05 %"),
    ],
)
def test_percent(share, text):
    assert words.percent(share) == text


def test_moments_carry_their_sign():
    assert [words.moment(each) for each in (-20, 0, 1.42, 39.06)] == [
        "-20.0 s",
        "+0.00 s",
        "+1.42 s",
        "+39.1 s",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (True, "yes"), ([1, "a"], "1, a"), ({"a": 1, "b": [2]}, "a 1, b ...")],
)
def test_a_value_of_any_kind_is_written(value, text):
    assert words.anything(value) == text
