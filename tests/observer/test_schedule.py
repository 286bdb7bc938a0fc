"""The plan of a load: from the seed alone, at the rate and in the shares that were asked for."""

from collections import Counter
from itertools import islice, pairwise

import pytest

from lab.observer import schedule
from lab.observer.schedule import NS, Planned

MIX = {"list_chirps": 24, "get_chirp": 12, "create_chirp": 12, "page": 0}


def plan(count: int, *, seed: int = 1, rate: float = 60, arrival: str = "uniform") -> list[Planned]:
    endless = schedule.requests(seed, rate=rate, arrival=arrival, mix=MIX, keepalive_share=0.25)
    return list(islice(endless, count))


@pytest.mark.parametrize("arrival", ["uniform", "poisson"])
def test_one_seed_gives_one_plan(arrival: str) -> None:
    assert plan(500, arrival=arrival) == plan(500, arrival=arrival)
    assert plan(500, arrival=arrival) != plan(500, seed=2, arrival=arrival)


def test_another_way_of_arriving_asks_for_the_same() -> None:
    uniform, poisson = plan(500), plan(500, arrival="poisson")

    assert [each[2:] for each in uniform] == [each[2:] for each in poisson]
    assert [each.offset for each in uniform] != [each.offset for each in poisson]


def test_uniform_arrival_does_not_drift() -> None:
    offsets = schedule.offsets(1, "requests", rate=60, arrival="uniform")

    assert next(islice(offsets, 30_000, None)) == 500 * NS


def test_poisson_arrival_has_the_rate_and_its_scatter() -> None:
    endless = schedule.offsets(1, "requests", rate=100, arrival="poisson")
    offsets = list(islice(endless, 20_000))
    gaps = [(later - sooner) / NS for sooner, later in pairwise(offsets)]
    mean = sum(gaps) / len(gaps)
    variance = sum((gap - mean) ** 2 for gap in gaps) / len(gaps)

    assert min(gaps) >= 0
    # Of an exponential distribution the deviation is the mean.
    assert mean == pytest.approx(0.01, rel=0.03)
    assert variance**0.5 == pytest.approx(0.01, rel=0.05)


def test_requests_are_shared_out_as_the_mix_says() -> None:
    planned = plan(5000)
    kinds = Counter(each.endpoint for each in planned)
    streams = Counter(each.stream for each in planned)

    assert kinds["list_chirps"] == pytest.approx(2500, rel=0.1)
    assert kinds["get_chirp"] == pytest.approx(1250, rel=0.1)
    assert "page" not in kinds
    assert streams["keepalive"] == pytest.approx(1250, rel=0.1)


def test_the_plan_does_not_depend_on_the_order_of_the_mix() -> None:
    turned = dict(reversed(MIX.items()))
    other = schedule.requests(1, rate=60, arrival="uniform", mix=turned, keepalive_share=0.25)

    assert list(islice(other, 100)) == plan(100)


def test_sessions_may_be_left_out() -> None:
    assert list(schedule.sessions(1, rate=0, arrival="uniform")) == []
    assert [s.offset for s in islice(schedule.sessions(1, rate=2, arrival="uniform"), 3)] == [
        0,
        NS // 2,
        NS,
    ]
