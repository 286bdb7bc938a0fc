"""Run a load of a known number of requests against a fake service, in this process."""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

from lab.observer import schedule
from lab.observer.health import Health
from lab.observer.load import Load
from lab.observer.schedule import Planned
from lab.observer.spec import LoadSpec
from lab.observer.transport import Transport

Lines = list[dict[str, Any]]


def spec(target: str, **wanted: Any) -> LoadSpec:
    """Return a spec whose timeouts bear with a busy host."""
    patient = {"connect_timeout_s": 30.0, "total_timeout_s": 30.0}
    return LoadSpec(**{"run": "r1", "target": target, "sessions_per_s": 0.0, **patient, **wanted})


def plan(wanted: LoadSpec, count: int) -> list[Planned]:
    endless = schedule.requests(
        wanted.seed,
        rate=wanted.rate,
        arrival=wanted.arrival,
        mix=wanted.mix,
        keepalive_share=wanted.keepalive_share,
    )
    return list(itertools.islice(endless, count))


async def load(
    wanted: LoadSpec,
    count: int,
    *,
    sessions: int = 0,
    all_sent: Callable[[], None] = lambda: None,
) -> Lines:
    """Return the lines of `count` requests and of `sessions`.

    `all_sent` is called when the last request was due.
    """

    def planned_requests() -> Iterator[Planned]:
        yield from plan(wanted, count)
        all_sent()

    lines: Lines = []
    talks = schedule.sessions(wanted.seed, rate=wanted.sessions_per_s, arrival="uniform")
    async with Transport(
        wanted.target,
        kept=wanted.keepalive_connections,
        connect_timeout_s=wanted.connect_timeout_s,
        total_timeout_s=wanted.total_timeout_s,
    ) as transport:
        running = Load(wanted, transport, lines.append, health=Health(time.process_time))
        planned = itertools.islice(talks, sessions)
        await running.run(planned_requests(), planned, asyncio.Event())
    return lines


def requests(lines: Lines) -> Lines:
    return [line for line in lines if line["kind"] == "request"]


def of_kind(lines: Lines, kind: str) -> Lines:
    return [line for line in lines if line["kind"] == kind]
