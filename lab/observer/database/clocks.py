"""When, on our own clock, was it when the database's clock showed a given time?

Load, watchers and sampler share one clock, CLOCK_MONOTONIC of their host. The database has
another one, which may be off by any amount and may be set meanwhile. So each sample asks it
for its time: the answer was given between our sending and our receiving, hence the offset
is known to half of that distance, and a commit time of the same sample is mapped with it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND_NS = 1000
"""PostgreSQL's clock and its commit timestamps count in microseconds."""


@dataclass(frozen=True, slots=True)
class Instant:
    """A time on our clock in ns, known to `bound` ns in either direction."""

    t: int
    bound: int


@dataclass(frozen=True, slots=True)
class Reading:
    """The database's clock showed `theirs` at some time between `sent` and `received`, ours."""

    sent: int
    received: int
    theirs: datetime

    def map(self, theirs: datetime) -> Instant:
        """Return when their clock showed that time, provided that it was not set since."""
        passed = wall_ns(self.theirs) - wall_ns(theirs)
        middle = (self.sent + self.received) // 2
        # Both of their times are rounded.
        bound = (self.received - self.sent + 1) // 2 + 2 * MICROSECOND_NS
        return Instant(middle - passed, bound)


def wall_ns(moment: datetime) -> int:
    """Return ns since 1970 without loss: as a float, a microsecond would be lost."""
    return (moment - EPOCH) // timedelta(microseconds=1) * 1000
