"""What is this process to do wrong on purpose? CHIRPS_DEFECT, and it says so in its log.

Comma separated, name or name:value. Seconds count from when the process begins to serve.

    post500[:SHARE]       that share of good POST /chirps answers 500, above 0, at most 1 (1)
    never-ready           /readyz is 503 for good, although the process has started
    slow-start:SECONDS    the process has not started before
    dead-pool:SECONDS     from then on the pool gives no connection any more, while the database
                          is well: a zombie
    stuck-loop:SECONDS    from then on the event loop stands still, also for SIGTERM

With CHIRPS_READINESS=shallow a pod that is never ready is ready: that is what shallow means.
"""

import asyncio
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

from psycopg_pool import PoolTimeout
from starlette.exceptions import HTTPException
from typing_extensions import override

from lab.chirps.chirp import Chirp, NewChirp
from lab.chirps.database import Database, Pool
from lab.chirps.errors import BadConfiguration
from lab.chirps.reach import Connection, Reach
from lab.chirps.readiness import Check, Kind, Unwell
from lab.chirps.releases import Release

DECIMAL = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")
LONGEST_S = 3600

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Defects:
    """Seconds and shares; None where the defect was not asked for."""

    post500: Fraction | None = None
    never_ready: bool = False
    slow_start_s: float | None = None
    dead_pool_s: float | None = None
    stuck_loop_s: float | None = None
    names: tuple[str, ...] = ()


def parse(text: str) -> Defects:
    """Return what `text` asks for, or raise BadConfiguration with every mistake."""
    names = tuple(part.strip() for part in text.split(",")) if text.strip() else ()
    found: dict[str, Any] = {}
    mistakes = []
    for name in names:
        try:
            found.update(read(name, found))
        except ValueError as error:
            mistakes.append(f"CHIRPS_DEFECT: {name!r} {error}")
    if mistakes:
        raise BadConfiguration(mistakes)
    return Defects(**found, names=names)


def read(text: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the field of one defect; ValueError says what is wrong with it beside `found`."""
    name, colon, value = text.partition(":")
    if name not in KNOWN:
        raise ValueError(f"is no defect: there are {', '.join(KNOWN)}")
    field, read_value = KNOWN[name]
    if field in found:
        raise ValueError("is there twice")
    return {field: read_value(value if colon else None)}


def read_share(value: str | None) -> Fraction:
    share = Fraction(1) if value is None else number_in(value)
    if share is None or not 0 < share <= 1:
        raise ValueError("must have a share above 0, at most 1")
    return share


def read_seconds(value: str | None) -> float:
    seconds = None if value is None else number_in(value)
    if seconds is None or seconds > LONGEST_S:
        raise ValueError(f"must have seconds, from 0 to {LONGEST_S}")
    return float(seconds)


def read_nothing(value: str | None) -> bool:
    if value is not None:
        raise ValueError("takes no value")
    return True


def number_in(text: str) -> Fraction | None:
    return Fraction(text) if DECIMAL.fullmatch(text) else None


KNOWN: Mapping[str, tuple[str, Callable[[str | None], Any]]] = {
    "post500": ("post500", read_share),
    "never-ready": ("never_ready", read_nothing),
    "slow-start": ("slow_start_s", read_seconds),
    "dead-pool": ("dead_pool_s", read_seconds),
    "stuck-loop": ("stuck_loop_s", read_seconds),
}


class Turns:
    """Whose turn is it? After n turns exactly floor(n x share) were taken, evenly spread."""

    def __init__(self, share: Fraction) -> None:
        self._share = share
        self._count = 0

    def take(self) -> bool:
        before = self._count * self._share // 1
        self._count += 1
        return self._count * self._share // 1 > before


class FailingRelease:
    """A release whose creation of chirps fails in turn; nothing is stored then."""

    def __init__(self, release: Release, turns: Turns) -> None:
        self._release = release
        self._turns = turns

    def __getattr__(self, name: str) -> Any:
        return getattr(self._release, name)

    async def create_chirp(self, database: Database, new: NewChirp) -> Chirp:
        if self._turns.take():
            raise HTTPException(500, "this release fails on purpose: CHIRPS_DEFECT has post500")
        return await self._release.create_chirp(database, new)


class DyingDatabase(Database):
    """A pool that gives nothing from `until` on, as one does that holds dead connections only."""

    def __init__(self, pool: Pool, reach: Reach, until: float) -> None:
        super().__init__(pool, reach)
        self._until = until

    @override
    async def _take(self, deadline: float) -> Connection:
        if time.monotonic() < self._until:
            return await super()._take(deadline)
        await asyncio.sleep(deadline - time.monotonic())
        raise PoolTimeout("CHIRPS_DEFECT has dead-pool")


def release_with(defects: Defects, release: Release) -> Release:
    if defects.post500 is None:
        return release
    return cast("Release", FailingRelease(release, Turns(defects.post500)))


def database_with(defects: Defects, pool: Pool, reach: Reach) -> Database:
    if defects.dead_pool_s is None:
        return Database(pool, reach)
    return DyingDatabase(pool, reach, time.monotonic() + defects.dead_pool_s)


def checks_with(defects: Defects, clock: Clock = time.monotonic) -> Iterator[Check]:
    if defects.never_ready:
        # Counts as reached: the start does not wait for it, or the platform would start it again.
        yield Check("never-ready", Kind.PRIVATE, never_ready, reached=True)
    if defects.slow_start_s is not None:
        yield slow_start_check(clock, clock() + defects.slow_start_s)


async def never_ready() -> None:
    raise Unwell("on purpose: CHIRPS_DEFECT has never-ready")


def slow_start_check(clock: Clock, until: float) -> Check:
    async def probe() -> None:
        if clock() < until:
            raise Unwell("on purpose: CHIRPS_DEFECT has slow-start")

    return Check("slow-start", Kind.PRIVATE, probe)


async def run(defects: Defects) -> None:
    """Do what comes with time: stop the event loop for good."""
    if defects.stuck_loop_s is not None:
        await asyncio.sleep(defects.stuck_loop_s)
        stand_still()


def stand_still() -> None:
    """Never return; only SIGKILL ends a process that does this in its event loop."""
    threading.Event().wait()
