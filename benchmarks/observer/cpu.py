"""What share of a core does a process use while a load lasts?"""

import os
import time
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def share(pid: int, *, seconds: float) -> float:
    """Watch the process for that long; its start and its end are better left out."""
    used, began = cpu_time_s(pid), time.monotonic()
    time.sleep(seconds)
    return (cpu_time_s(pid) - used) / (time.monotonic() - began)


def cpu_time_s(pid: int) -> float:
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / TICKS_PER_S
