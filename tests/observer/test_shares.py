"""Fresh connections are an unbiased sample of the pods behind a Service; kept ones are not."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping

import pytest

from lab.observer import operations
from lab.observer.transport import Exchange, Transport
from tests.observer.loading import Lines, load, requests, spec
from tests.observer.service import Line, Received, answer, serving

SHARES = {"v1": 0.75, "v2": 0.25}
REQUESTS = 400
# Of one degree of freedom: exceeded by chance once in a thousand times. The fake chooses by
# a seed, so here it is always exceeded or never.
CHI_SQUARE_AT_MOST = 10.83


def chi_square(found: Mapping[str, int], shares: Mapping[str, float]) -> float:
    total = sum(found.values())
    return sum(
        (found.get(name, 0) - total * share) ** 2 / (total * share)
        for name, share in shares.items()
    )


class Proxy:
    """A fake kube-proxy: it chooses for a connection, for as long as that lasts."""

    def __init__(self) -> None:
        self._choose = random.Random(5)
        self._chosen: dict[int, str] = {}
        self.asked: Counter[str] = Counter()

    async def __call__(self, received: Received, line: Line) -> None:
        if received.connection not in self._chosen:
            (release,) = self._choose.choices([*SHARES], [*SHARES.values()])
            self._chosen[received.connection] = release
        self.asked[self._chosen[received.connection]] += 1
        await line.send(answer(release=self._chosen[received.connection]))


@pytest.fixture(scope="module")
def fresh() -> tuple[Lines, Counter[str]]:
    """The lines of a load by fresh connections, and how often each release was asked."""
    proxy = Proxy()

    async def scenario() -> Lines:
        async with serving(proxy) as service:
            wanted = spec(service.url, rate=1000, keepalive_share=0)
            return requests(await load(wanted, REQUESTS))

    return asyncio.run(scenario()), proxy.asked


def test_fresh_connections_show_the_true_shares(fresh: tuple[Lines, Counter[str]]) -> None:
    lines, asked = fresh

    told = Counter(line["release"] for line in lines)
    assert told == asked
    assert told.total() == REQUESTS
    assert len({line["conn"] for line in lines}) == REQUESTS
    assert chi_square(told, SHARES) < CHI_SQUARE_AT_MOST


def test_a_wrong_share_would_be_noticed(fresh: tuple[Lines, Counter[str]]) -> None:
    told = Counter(line["release"] for line in fresh[0])

    assert chi_square(told, {"v1": 0.6, "v2": 0.4}) > CHI_SQUARE_AT_MOST


def test_a_kept_connection_shows_one_pod_only() -> None:
    async def scenario() -> list[Exchange]:
        async with serving(Proxy()) as service:
            transport = Transport(service.url, kept=1, connect_timeout_s=30, total_timeout_s=30)
            async with transport:
                return [await transport.keepalive(operations.page(), "id") for _ in range(100)]

    told = Counter(exchange.header("x-chirps-version") for exchange in asyncio.run(scenario()))

    assert len(told) == 1
    assert chi_square({str(name): count for name, count in told.items()}, SHARES) > (
        CHI_SQUARE_AT_MOST
    )
