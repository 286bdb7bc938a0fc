"""Would starting this process again help? What /livez answers.

Only a stuck event loop is cured by a restart; a database never is. The loop's lag is how much
later a timer fires than it was set for. A loop that is late by more than 5 s for 15 s
on end is stuck. It says so itself when it comes round; when it does not come round at all, the
probe's own timeout says it.
"""

import asyncio
from dataclasses import dataclass

TICK_S = 0.5
STUCK_LAG_S = 5.0
STUCK_FOR_S = 15.0


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
    loop = asyncio.get_running_loop()
    while True:
        pulse.tick(loop.time())
        await asyncio.sleep(TICK_S)
