"""Read through the service what it acknowledged, at a rate that does not disturb it."""

import asyncio
from collections.abc import Mapping

from lab.observer import operations
from lab.observer.audit.ledger import ReadBack
from lab.observer.openloop import launch_when_due
from lab.observer.outcomes import Outcome
from lab.observer.schedule import NS, Planned
from lab.observer.sessions import is_same_chirp
from lab.observer.transport import Exchange, Transport

PER_S = 100
TRIES = 3
# Who reads faster than it is answered would be the only cause of what then is not read.
AT_ONCE = 16


async def read_back(
    transport: Transport, wanted: Mapping[str, int], *, run: str, start: int, per_s: float = PER_S
) -> dict[str, ReadBack]:
    """Read the chirp of each ref; `wanted` has its id. `start` is ns of CLOCK_MONOTONIC.

    At most `per_s` are begun in a second, and at most AT_ONCE go on at any time. This is no
    measurement of availability, so what does not answer is asked again.
    """
    found: dict[str, ReadBack] = {}
    refs = list(wanted)
    room = asyncio.Semaphore(AT_ONCE)
    async with asyncio.TaskGroup() as group:

        def launch(planned: Planned, _: int) -> None:
            group.create_task(read_one(refs[planned.seq]))

        async def read_one(ref: str) -> None:
            async with room:
                found[ref] = await _read(transport, ref, wanted[ref], run=run)

        plan = (
            Planned(seq, round(seq * NS / per_s), "fresh", "get_chirp", 0)
            for seq in range(len(refs))
        )
        await launch_when_due(plan, start=start, launch=launch)
    return found


async def _read(transport: Transport, ref: str, chirp: int, *, run: str) -> ReadBack:
    operation = operations.get_chirp(chirp)
    found = ReadBack(None)
    for number in range(TRIES):
        found = _tell(await transport.fresh(operation, f"{run}-audit-{chirp}-{number}"), ref)
        if found.readable is not None:
            break
    return found


def _tell(exchange: Exchange, ref: str) -> ReadBack:
    release = exchange.header("x-chirps-version")
    if exchange.outcome is Outcome.OK:
        return ReadBack(readable=True, release=release, matches=is_same_chirp(exchange, ref))
    # A release that fails with an SQLSTATE has said that it cannot read the row.
    refused = exchange.outcome is Outcome.HTTP_4XX or exchange.status == 500
    return ReadBack(readable=False if refused else None, release=release)
