"""How long a cluster of kind is expected to take."""

import pytest

from lab.lifecycle.kind_plan import Wanted
from lab.paths import Paths
from lab.stages import kind_takes

SIX = Wanted(6)


def test_before_the_first_time_fewer_nodes_are_expected_to_take_less(paths: Paths) -> None:
    six, two = (kind_takes.expected_s(paths, Wanted(nodes)) for nodes in (None, 2))

    assert six == 80 + 48
    assert 60 < two < six


def test_later_it_is_the_median_of_what_it_took(paths: Paths) -> None:
    for seconds in (900.0, 60.0, 70.0):
        kind_takes.keep(paths, SIX, seconds)

    assert kind_takes.expected_s(paths, SIX) == 70


def test_only_the_newest_count(paths: Paths) -> None:
    for seconds in (10.0, 10.0, 10.0, 50.0, 50.0, 50.0, 50.0, 50.0):
        kind_takes.keep(paths, SIX, seconds)

    assert kind_takes.expected_s(paths, SIX) == 50


@pytest.mark.parametrize("other", [Wanted(2), Wanted(6, "kindest/node:v1")])
def test_what_other_clusters_took_says_nothing(paths: Paths, other: Wanted) -> None:
    before = kind_takes.expected_s(paths, SIX)

    kind_takes.keep(paths, other, 5.0)

    assert kind_takes.expected_s(paths, SIX) == before


@pytest.mark.parametrize("text", ["{", "[]", '{"6 own": [null]}', '{"6 own": 3}'])
def test_a_file_that_cannot_be_read_is_none(paths: Paths, text: str) -> None:
    kind_takes.keep(paths, SIX, 5.0)
    (paths.state / "kind/seconds.json").write_text(text)

    assert kind_takes.expected_s(paths, SIX) == 128
    kind_takes.keep(paths, SIX, 7.0)
    assert kind_takes.expected_s(paths, SIX) == 7
