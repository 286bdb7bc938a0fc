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
from lab.scenario.load import Load as Asked

Lines = list[dict[str, Any]]


def content(target: str = "http://127.0.0.1:1", **wanted: Any) -> dict[str, Any]:
    """Return a spec as the lab asks for it, in JSON, but for what is `wanted`."""
    about = {
        "run": "r1",
        "target": target,
        "users": 20_000,
        "chirps": 300_000,
        "namespace": "chirps",
        "service": "chirps",
        "audit_per_s": 100.0,
    }
    return {**Asked().to_json(), **about, **wanted}


def spec(target: str, **wanted: Any) -> LoadSpec:
    """Return a spec whose timeouts bear with a busy host."""
    patient = {"sessions_per_s": 0.0, "connect_timeout_s": 30.0, "total_timeout_s": 30.0}
    return LoadSpec.parse(content(target, **{**patient, **wanted}))


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
