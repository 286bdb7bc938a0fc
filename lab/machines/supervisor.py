"""Keep one worker process alive.

The worker is forked, so it has what the supervisor opened, and it dies with the
supervisor, however that ends.
"""

import contextlib
import ctypes
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable

LOOK_EVERY_S = 1.0
RESTART_FIRST_S, RESTART_LAST_S = 0.05, 5.0
LIVED_LONG_S = 10.0
ENDING = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
WATCHED = ENDING | {signal.SIGCHLD}
PR_SET_PDEATHSIG = 1


def supervise(work: Callable[[], None], *, wanted: Callable[[], bool]) -> None:
    """Run `work` in a child, again whenever that ends, until told to end or not `wanted`.

    Must be called where there is one thread only: it forks, and waits for signals.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    worker: int | None = _fork(work)
    started, pause_s = time.monotonic(), RESTART_FIRST_S
    try:
        while wanted() and not _told_to_end(LOOK_EVERY_S if worker else pause_s):
            if worker is None:
                worker, started = _fork(work), time.monotonic()
            elif (status := _ended(worker)) is not None:
                lived_s, worker = time.monotonic() - started, None
                pause_s = next_pause(pause_s, lived_s=lived_s)
                _log(f"worker ended after {lived_s:.1f} s with {status}, next in {pause_s:g} s")
    finally:
        if worker is not None:
            os.kill(worker, signal.SIGKILL)
            os.waitpid(worker, 0)


def next_pause(pause_s: float, *, lived_s: float) -> float:
    """Return how long to wait after a worker that lived so long: none to speak of, at first."""
    return RESTART_FIRST_S if lived_s >= LIVED_LONG_S else min(pause_s * 2, RESTART_LAST_S)


def _told_to_end(timeout_s: float) -> bool:
    """Wait for a signal; the end of the worker is one too."""
    got = signal.sigtimedwait(WATCHED, timeout_s)
    return got is not None and got.si_signo in ENDING


def _ended(worker: int) -> int | None:
    """Return the exit status of a worker that has ended, negative for a signal."""
    pid, status = os.waitpid(worker, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if pid else None


def _fork(work: Callable[[], None]) -> int:
    supervisor = os.getpid()
    if pid := os.fork():
        return pid
    try:
        _die_with(supervisor)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)
        work()
    except BaseException:
        # Nothing may run on into the supervisor's code.
        with contextlib.suppress(OSError):
            traceback.print_exc()
    finally:
        os._exit(1)


def _die_with(supervisor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL)) != 0:
        raise OSError(ctypes.get_errno(), "cannot ask to die with the supervisor")
    if os.getppid() != supervisor:  # it has ended before the kernel was told
        os._exit(1)


def _log(line: str) -> None:
    with contextlib.suppress(OSError):  # a full disk is no reason to end
        sys.stderr.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {line}\n")
        sys.stderr.flush()
