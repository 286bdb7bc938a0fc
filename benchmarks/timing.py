"""Run one command, see that it worked, and say how long it took."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab.errors import CommandFailed
from lab.machines.commands import describe_failure

_GRACE_S = 20


@dataclass(frozen=True, slots=True)
class Timed:
    seconds: float
    output: str


def timed(argv: Sequence[str], *, env: Mapping[str, str], timeout_s: float = 300) -> Timed:
    """Return standard output and wall time; `env` is added to the own environment.

    Raises CommandFailed unless it ends with exit status 0. However it ends, nothing that
    it started in its own session goes on.
    """
    started = time.monotonic()
    with subprocess.Popen(
        list(argv),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **env},
        start_new_session=True,
    ) as process:
        try:
            output, errors = process.communicate(timeout=timeout_s)
        except BaseException:
            _end(process)
            raise
    took = time.monotonic() - started
    if process.returncode != 0:
        raise CommandFailed(describe_failure(argv, process.returncode, errors or output))
    return Timed(took, output)


def _end(process: "subprocess.Popen[str]") -> None:
    for number, grace_s in ((signal.SIGTERM, _GRACE_S), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        try:
            process.wait(timeout=grace_s)
        except subprocess.TimeoutExpired:
            continue
        return
