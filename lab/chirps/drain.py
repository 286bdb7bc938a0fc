"""Is this process on its way out, and how long may that take? From SIGTERM on there is no way back.

    told                  SIGTERM
    requests end          within `graceful_s`, with the last word of those that are cut off
    workers stop          within STOP_WORKERS_S more
    the pool closes       within CLOSE_POOL_S more
    the process ends      within END_S more, whatever still hangs

The sum must fit in what the platform leaves after preStop: Kubernetes counts its grace period
from before preStop and kills at its end
(https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination).
"""

from dataclasses import dataclass

STOP_WORKERS_S = 1.0
CLOSE_POOL_S = 2.0
END_S = 1.0
# What is cut off takes back its statement and answers.
LAST_WORD_S = 1.0


@dataclass(slots=True)
class Drain:
    """`told` is when it began, on the monotonic clock."""

    told: float | None = None

    @property
    def draining(self) -> bool:
        return self.told is not None

    def begin(self, now: float) -> bool:
        """Say whether this was the first time; later ones change nothing."""
        if self.told is not None:
            return False
        self.told = now
        return True


@dataclass(frozen=True, slots=True)
class Budget:
    """Seconds from SIGTERM to each end."""

    graceful_s: float

    @property
    def last_word_s(self) -> float:
        return min(LAST_WORD_S, self.graceful_s / 2)

    @property
    def cut_off_s(self) -> float:
        """When requests that still run are cut off, so that they have answered in time."""
        return self.graceful_s - self.last_word_s

    @property
    def whole_s(self) -> float:
        return self.graceful_s + STOP_WORKERS_S + CLOSE_POOL_S + END_S
