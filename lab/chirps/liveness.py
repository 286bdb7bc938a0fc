"""Would starting this process again help? What /livez answers.

    loop        A stuck event loop is cured by a restart, and so is a pool that is broken in this
                process only (`lab.chirps.discriminator`). A database never is. The default.
    database    `SELECT 1` on top of it, through the pool: a mistake to be shown. When the
                database is away it has every pod killed, and the platform's growing pauses
                between two starts keep them down after it is back.

The loop's lag is how much later a timer fires than it was set for. A loop that is late by more
than 5 s for 15 s on end is stuck. It says so itself when it comes round; when it does not
come round at all, the probe's own timeout says it.
"""

import asyncio
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from lab.chirps import bounded
from lab.chirps.database import Database
from lab.chirps.discriminator import Discriminator
from lab.chirps.readiness import text_of

TICK_S = 0.5
STUCK_LAG_S = 5.0
STUCK_FOR_S = 15.0
# Below the timeout of a liveness probe, so that the answer names the reason.
ASK_S = 0.8


class Policy(StrEnum):
    LOOP = "loop"
    DATABASE = "database"


@dataclass(slots=True)
class Pulse:
    """`lag_s` is the last tick's; `late_since` when the ticks that are late on end began."""

    lag_s: float = 0.0
    late_since: float | None = None
    last_tick: float | None = None

    def tick(self, now: float) -> None:
        """Take in a timer that was set TICK_S after the last one."""
        if self.last_tick is not None:
            due = self.last_tick + TICK_S
            self.lag_s = max(0.0, now - due)
            if self.lag_s <= STUCK_LAG_S:
                self.late_since = None
            elif self.late_since is None:
                self.late_since = due
        self.last_tick = now

    def is_alive(self, now: float) -> bool:
        return self.late_since is None or now - self.late_since < STUCK_FOR_S


async def watch(pulse: Pulse) -> None:
    """Tick again and again; never returns."""
    while True:
        pulse.tick(time.monotonic())
        await asyncio.sleep(TICK_S)


@dataclass(frozen=True, slots=True)
class Liveness:
    policy: Policy
    pulse: Pulse
    discriminator: Discriminator
    database: Database

    async def answer(self, now: float) -> dict[str, Any]:
        failures = self.own_failures(now)
        if self.policy is Policy.DATABASE and (failure := await ask(self.database)) is not None:
            failures.append(f"database: {failure}")
        return {
            "alive": not failures,
            "policy": str(self.policy),
            "failures": failures,
            "loop_lag_s": round(self.pulse.lag_s, 3),
            "pool": self.discriminator.told,
        }

    def own_failures(self, now: float) -> list[str]:
        """Return what only this process suffers from."""
        failures = []
        if not self.pulse.is_alive(now):
            failures.append(f"event loop: late by {self.pulse.lag_s:.1f} s")
        if self.discriminator.is_private:
            failures.append(f"pool: {self.discriminator.told}")
        return failures


async def ask(database: Database) -> str | None:
    """Return None when the database answers in time, else what was wrong."""
    asked = asyncio.create_task(database.row("SELECT 1", timeout_s=ASK_S / 2))
    if not await bounded.ended(asked, ASK_S):
        return f"no answer within {ASK_S:g} s"
    if asked.cancelled():
        return "it was cancelled"
    error = asked.exception()
    return None if error is None else text_of(error)
