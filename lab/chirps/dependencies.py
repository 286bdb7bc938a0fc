"""What does this process depend on, and who else suffers when it fails?

configuration   private   what the server refused this pod for: its own name, password, database
event-loop      private   a loop that is late answers nobody in time
pool            private   broken in this process only (`lab.chirps.discriminator`)
database        shared    the same for all replicas
other teams     shared    the same for all replicas, and never a reason not to start
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from lab.chirps import bounded
from lab.chirps.database import Database
from lab.chirps.discriminator import LOOK_BOUND_S, Discriminator, Found
from lab.chirps.liveness import Pulse
from lab.chirps.reach import Reach, code_of
from lab.chirps.readiness import CHECK_BOUND_S, Check, Kind, Unwell

# Wrong password, no such role or not let in, no such database, not allowed into it.
REFUSED = frozenset(("28P01", "28000", "3D000", "42501"))
# Told twice within this, a look that hangs closes its connection: there is never a second one.
LET_GO_S = 0.2

Look = Callable[[], Awaitable[Found]]


def database_check(database: Database) -> Check:
    async def probe() -> None:
        # Less than the check's own bound, so that the reason is known.
        await database.row("SELECT 1", timeout_s=CHECK_BOUND_S / 2)

    return Check("database", Kind.SHARED, probe)


def is_away(database: Check, reach: Reach, discriminator: Discriminator) -> bool:
    """Say whether the last look at the database failed, and for want of a database.

    A pool that is busy, behind a lock say, fails that look as well; but then connecting works.
    """
    if database.seen is None or database.good:
        return False
    return reach.failure is not None or discriminator.found is Found.FAILS


def configuration_check(reach: Reach, database: Check) -> Check:
    """Fail while the server refuses this pod's own configuration and never took it.

    Once it was taken it was right, and a refusal is the database's doing, for all alike.
    """

    async def probe() -> None:
        if not database.reached and reach.failure and code_of(reach.failure) in REFUSED:
            raise Unwell(f"never connected: {reach.failure} ({code_of(reach.failure)})")

    return Check("configuration", Kind.PRIVATE, probe)


def loop_check(pulse: Pulse) -> Check:
    async def probe() -> None:
        if pulse.late_since is not None:
            raise Unwell(f"late by {pulse.lag_s:.1f} s")

    return Check("event-loop", Kind.PRIVATE, probe)


def pool_check(
    discriminator: Discriminator,
    database: Check,
    look: Look,
    clock: Callable[[], float] = time.monotonic,
) -> Check:
    """Fail when the pool is broken in this process only; `database` goes through the pool."""

    async def probe() -> str:
        discriminator.learn_pool(works=database.good)
        if discriminator.wants_look(clock()):
            discriminator.begin_look(clock())
            found = await look_within(look, LOOK_BOUND_S)
            discriminator.learn_look(found, clock())
        if discriminator.is_private:
            raise Unwell(discriminator.told)
        return discriminator.told

    return Check("pool", Kind.PRIVATE, probe, timeout_s=LOOK_BOUND_S + CHECK_BOUND_S)


async def look_within(look: Look, within_s: float) -> Found:
    """Look, and call it a failure when that takes too long."""

    async def once() -> Found:
        return await look()

    looking = asyncio.create_task(once())
    if await bounded.ended(looking, within_s) and not looking.cancelled():
        return looking.result()
    await bounded.stop((looking,), LET_GO_S)
    return Found.FAILS


def api_check(name: str, host: str, port: int) -> Check:
    """Report whether another team's API takes connections.

    Not latched: a pod need not wait for them to start, as most of its answers need them not.
    """

    async def probe() -> None:
        _, writer = await asyncio.open_connection(host, port)
        writer.close()
        await writer.wait_closed()

    return Check(name, Kind.SHARED, probe, latch=False)


def all_checks(
    database: Database, reach: Reach, pulse: Pulse, discriminator: Discriminator, look: Look
) -> list[Check]:
    """Return the checks every process has."""
    shared = database_check(database)
    database.is_away = lambda: is_away(shared, reach, discriminator)
    return [
        configuration_check(reach, shared),
        loop_check(pulse),
        pool_check(discriminator, shared, look),
        shared,
    ]
