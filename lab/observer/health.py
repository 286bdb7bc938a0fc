"""How well did the client itself keep up?

A client that is starved of CPU sends late and measures late, and a bad service looks
just like it. So each second has a line about the client, from which the run is judged.
"""

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

MS = 1_000_000
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Health:
    """Counts of one load process; `line` closes a second and begins the next."""

    def __init__(self, cpu_time_s: Callable[[], float]) -> None:
        self.planned = 0
        self.sent = 0
        self.done = 0
        self.cap_reached = False
        self._lags: list[int] = []
        self._cpu_time_s = cpu_time_s
        self._then = (time.monotonic_ns(), cpu_time_s())

    @property
    def in_flight(self) -> int:
        return self.sent - self.done

    def note_lag(self, lag: int) -> None:
        """Note that a request was sent `lag` ns after it was due."""
        self._lags.append(lag)

    def line(self) -> dict[str, Any]:
        now, cpu_s = time.monotonic_ns(), self._cpu_time_s()
        then, cpu_then_s = self._then
        lags, self._lags, self._then = sorted(self._lags), [], (now, cpu_s)
        # A process that ended takes its time with it, so the sum may shrink.
        used = max(0.0, cpu_s - cpu_then_s) / max(now - then, 1) * 1e9
        return {
            "kind": "health",
            "t": now,
            "lag_p99_ms": percentile(lags, 0.99) / MS,
            "lag_max_ms": percentile(lags, 1) / MS,
            "cpu": round(used, 4),
            "in_flight": self.in_flight,
            "planned": self.planned,
            "sent": self.sent,
            "done": self.done,
            "cap_reached": self.cap_reached,
        }


def percentile(ordered: Sequence[int], share: float) -> int:
    """Return the smallest value that `share` of all do not exceed; 0 of none."""
    if not ordered:
        return 0
    return ordered[max(0, -int(-len(ordered) * share // 1) - 1)]


def family_cpu_time_s() -> float:
    """Return the CPU time of this process, its parent and its siblings, in seconds."""
    parent, own = os.getppid(), os.getpid()
    others = {parent, *_children(parent)} - {own}
    # The finest clock is that of one's own process; others are told in ticks of 10 ms.
    return time.process_time() + sum(map(_cpu_time_s, others))


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError, ValueError):
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(word) for word in text.split()]
    return []


def _cpu_time_s(pid: int) -> float:
    with contextlib.suppress(OSError, ValueError, IndexError):
        # The name, in brackets, may hold blanks; utime and stime are fields 14 and 15.
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(after_name[11]) + int(after_name[12])) / TICKS_PER_S
    return 0.0
