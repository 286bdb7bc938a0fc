"""Should this pod get traffic? What /readyz and /startupz answer.

The question is whether a request would fare better with a sibling. So a check is private
(only this pod suffers: not ready) or shared (every sibling suffers the same: ready, and
reported, because taking all pods out of the Service would only turn answers that name the
cause into refused connections). A dependency that this process has never reached is private
until it was reached once: a pod with a wrong password must not replace one that works.

Checks run in the background; a probe reads what they found and how long ago, so it costs
nothing and cannot time out.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import psycopg

from lab.chirps.database import Database
from lab.chirps.failures import explain

logger = logging.getLogger(__name__)

EVERY_S = 2.0
# A pod that starts is waited for: look more often until all was reached once.
FIRST_EVERY_S = 0.1
CHECK_BOUND_S = 1.0


class Kind(StrEnum):
    PRIVATE = "private"
    SHARED = "shared"


@dataclass(slots=True)
class Check:
    """One dependency: `probe` raises when it does not work.

    A shared check counts as private until it was good once.
    """

    name: str
    declared: Kind
    probe: Callable[[], Awaitable[None]]
    good: bool = False
    reached: bool = False
    seen: float | None = None
    detail: str = "not looked at yet"

    @property
    def kind(self) -> Kind:
        return self.declared if self.reached else Kind.PRIVATE

    def learn(self, failure: str | None, now: float) -> None:
        """Take in a result: None is good, else what was wrong."""
        was_good, self.good = self.good, failure is None
        self.reached = self.reached or self.good
        self.seen, self.detail = now, failure or "ok"
        if was_good != self.good:
            level = logging.INFO if self.good else logging.WARNING
            logger.log(level, "check", extra={"check": self.name, "detail": self.detail})

    def answer(self, now: float) -> dict[str, Any]:
        return {
            "name": self.name,
            "class": str(self.kind),
            "ok": self.good,
            "detail": self.detail,
            "age_s": None if self.seen is None else round(now - self.seen, 3),
        }


@dataclass(frozen=True, slots=True)
class Readiness:
    """What the checks found, put together."""

    checks: Sequence[Check]

    @property
    def is_started(self) -> bool:
        return all(check.reached for check in self.checks)

    @property
    def is_ready(self) -> bool:
        return all(check.good for check in self.checks if check.kind is Kind.PRIVATE)

    def answer(self, *, draining: bool, now: float) -> dict[str, Any]:
        shared = [check for check in self.checks if check.kind is Kind.SHARED]
        return {
            "ready": self.is_ready and not draining,
            "draining": draining,
            "degraded": [check.name for check in shared if not check.good],
            "checks": [check.answer(now) for check in self.checks],
        }


def database_check(database: Database) -> Check:
    async def probe() -> None:
        # Less than the check's own bound, so that the reason is known.
        await database.row("SELECT 1", timeout_s=CHECK_BOUND_S / 2)

    return Check("database", Kind.SHARED, probe)


async def watch(readiness: Readiness) -> None:
    """Run every check again and again; never returns."""
    while True:
        await asyncio.gather(*(run(check) for check in readiness.checks))
        await asyncio.sleep(EVERY_S if readiness.is_started else FIRST_EVERY_S)


async def run(check: Check) -> None:
    """Run a check once, within its bound."""
    failure = None
    try:
        async with asyncio.timeout(CHECK_BOUND_S):
            await check.probe()
    except TimeoutError:
        failure = f"no answer within {CHECK_BOUND_S:g} s"
    except psycopg.Error as error:
        failure = explain(error).error
    check.learn(failure, time.monotonic())
