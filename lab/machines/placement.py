"""Which kind of host is this, and where do nodes go on it?"""

from pathlib import Path

from lab.machines.plain import PlainHost
from lab.machines.sandbox import Placement
from lab.machines.systemd import SystemdHost


def of_this_host(booted: Path = Path("/run/systemd/system")) -> Placement:
    """Return the placement for a host with or without systemd, told apart as sd_booted(3) does."""
    return SystemdHost() if booted.is_dir() else PlainHost()
