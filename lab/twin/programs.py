"""Programs of a twin below their tethers: what they are given, and how they end."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from lab.twin.tether import send_signal

ENDED_WITHIN_S = 10.0
GROUP_ENDED_WITHIN_S = 5.0
LOOK_EVERY_S = 0.01
# What leads the service and libpq somewhere, and would lead a twin there too.
THEIRS = ("PG", "CHIRPS_")
NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"


def environment(
    variables: Mapping[str, str], *, environ: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Return lab's own variables, without those of libpq and the service, with `variables`."""
    kept = {name: value for name, value in environ.items() if not name.startswith(THEIRS)}
    return {**kept, **variables}


def bytecode(directory: Path, *, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return variables by which programs of one twin compile their code once, not each anew.

    Only where they may not leave it beside the source; then it lies in the twin's directory.
    """
    if not environ.get(NO_BYTECODE):
        return {}
    return {NO_BYTECODE: "", "PYTHONPYCACHEPREFIX": str(directory / "bytecode")}


def end(process: "subprocess.Popen[bytes]") -> None:
    """End a tethered program: in order, or when that takes long with all it started."""
    if process.poll() is None:
        send_signal(process.pid, signal.SIGTERM)
    try:
        process.wait(ENDED_WITHIN_S)
    except subprocess.TimeoutExpired:
        send_signal(process.pid, signal.SIGKILL)
        process.wait()
        wait_for_group(process.pid)
    for pipe in (process.stdin, process.stdout):
        close(pipe)


def wait_for_group(group: int) -> None:
    """Wait until the kernel has ended all that were killed with their tether, for a while."""
    deadline = time.monotonic() + GROUP_ENDED_WITHIN_S
    with contextlib.suppress(ProcessLookupError, PermissionError):
        while time.monotonic() < deadline:
            os.killpg(group, 0)
            time.sleep(LOOK_EVERY_S)


def close(pipe: IO[Any] | None) -> None:
    # What was not written yet finds nobody to read it.
    with contextlib.suppress(OSError):
        if pipe is not None:
            pipe.close()


def how_it_ended(status: int, log: Path) -> str:
    """Return what became of a program, with its last words; `status` as `subprocess` has it."""
    how = f"was killed by signal {-status}" if status < 0 else f"ended with {status}"
    return f"{how}{last_words(log)}"


def last_words(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return f": {lines[-1]}" if lines else ""
