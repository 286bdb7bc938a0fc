"""Is it the database, or is it my pool? A private failure of a shared dependency.

When the pool gives nothing, only this process can tell: it opens one fresh connection beside
the pool and looks. Fails too: the database is away, for every sibling alike, and a restart
would help nobody. Works, while the pool has given nothing for PRIVATE_FOR_S: the pool is broken,
here only, and a restart cures it. Then the pod is neither ready nor alive.

A pool whose connections all wait for the database, behind a lock, say, gives nothing either, and
a fresh connection works as well. To restart for that would cut off everybody who waits, on all
pods at once. So the fresh connection also asks the server what it knows of this pod's own
sessions: is one at work, or has one been just now, the pool is busy and not broken.

The verdict needs looks without a gap and without a better answer between them; a pause of the
whole process is no evidence. It begins only after the pool has worked once: before that, the
start has not ended, and that is watched by others (`Check.reached`, the startup probe). It ends as
soon as the pool works again, or a look says something else.
"""

import logging
from dataclasses import dataclass
from enum import StrEnum

import psycopg

from lab.chirps.reach import reason_in
from lab.chirps.settings import Settings

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 5.0
LOOK_BOUND_S = 2.0
PRIVATE_FOR_S = 30.0
# Looks further apart than this do not belong together.
LONGEST_GAP_S = 2 * LOOK_EVERY_S + LOOK_BOUND_S

# A role sees what its own sessions do, and only of others that they exist:
# https://www.postgresql.org/docs/18/monitoring-stats.html
AT_WORK = """SELECT count(*) FROM pg_stat_activity
WHERE application_name = current_setting('application_name') AND pid <> pg_backend_pid()
AND (state = 'active' OR state_change > clock_timestamp() - make_interval(secs => %s))"""


class Found(StrEnum):
    """What a fresh connection found."""

    WORKS = "works"
    BUSY = "busy"
    FAILS = "fails"


@dataclass(slots=True)
class Discriminator:
    """Pure: `now` is any clock that never goes back.

    `since` is the first of the looks on end that worked while the pool did not, `confirmed` the
    last of them, `looked` the last look of all.
    """

    proven: bool = False
    failing: bool = False
    looked: float | None = None
    since: float | None = None
    confirmed: float | None = None
    found: Found | None = None

    def learn_pool(self, *, works: bool) -> None:
        self.proven = self.proven or works
        self.failing = self.proven and not works
        if works:
            self._forget()

    def wants_look(self, now: float) -> bool:
        """Say whether a fresh connection is to be made: never while the pool works."""
        return self.failing and (self.looked is None or now - self.looked >= LOOK_EVERY_S)

    def begin_look(self, now: float) -> None:
        self.looked = now

    def learn_look(self, found: Found, now: float) -> None:
        """Take in a look that ended at `now`; the pool may work again by then."""
        if not self.failing:
            return
        self.found = found
        if found is not Found.WORKS:
            self.since = self.confirmed = None
            return
        if self.confirmed is None or now - self.confirmed > LONGEST_GAP_S:
            self.since = now
        self.confirmed = now

    def _forget(self) -> None:
        self.since = self.confirmed = self.found = None

    @property
    def lasts_s(self) -> float:
        """How long the evidence reaches, from the first look to the last."""
        if self.since is None or self.confirmed is None:
            return 0.0
        return self.confirmed - self.since

    @property
    def is_private(self) -> bool:
        return self.lasts_s >= PRIVATE_FOR_S

    @property
    def told(self) -> str:
        if not self.failing:
            return "ok"
        if self.found is Found.BUSY:
            return "busy: it gives nothing, and the database works on what it was asked"
        if self.found is Found.FAILS:
            return "it gives nothing, and a fresh connection fails as well"
        if self.found is None:
            return "it gives nothing; no fresh connection was tried yet"
        return (
            f"it gives nothing, and a fresh connection works, for {self.lasts_s:.0f} s "
            f"(broken from {PRIVATE_FOR_S:g} s on)"
        )


async def look(asked: Settings, *, recent_s: float = LOOK_EVERY_S) -> Found:
    """Open a connection beside the pool, look at this pod's sessions, and close it.

    What a session did in the last `recent_s` counts as being at work.
    """
    try:
        connection = await psycopg.AsyncConnection.connect(
            **asked.database,  # type: ignore[arg-type] # libpq's keywords
            application_name=asked.application_name,
            connect_timeout=int(LOOK_BOUND_S),
            autocommit=True,
        )
        async with connection:
            cursor = await connection.execute(AT_WORK, (recent_s,))
            row = await cursor.fetchone()
    except psycopg.Error as error:
        logger.info("fresh connection", extra={"failure": reason_in(error)})
        return Found.FAILS
    return Found.BUSY if row is not None and row[0] else Found.WORKS
