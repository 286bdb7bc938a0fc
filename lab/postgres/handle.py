"""Is a process still there that is no child of ours, and how is it killed?

By its number alone nobody can tell: when it has ended the number may be given to another. A
descriptor of the process cannot be mistaken (Linux). Elsewhere whoever wants to know says how
the process is recognised, and the number counts only as long as it is.
"""

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable

LOOK_EVERY_S = 0.05
GONE_WITHIN_S = 10.0


class Handle:
    """Process `pid`, which `is_it` recognises where the kernel has no descriptors for it.

    Raises ProcessLookupError when it is gone already.
    """

    def __init__(self, pid: int, *, is_it: Callable[[], object]) -> None:
        self._pid = pid
        self._is_it = is_it
        self._descriptor = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else None
        if self._descriptor is None:
            os.kill(pid, 0)

    def wait(self, within_s: float) -> bool:
        """Return whether it has ended within the bound."""
        if self._descriptor is not None:
            return bool(select.select([self._descriptor], [], [], within_s)[0])
        deadline = time.monotonic() + within_s
        while self._is_there():
            if time.monotonic() > deadline:
                return False
            time.sleep(LOOK_EVERY_S)
        return True

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            if self._descriptor is not None:
                signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)
            elif self._is_it():
                os.kill(self._pid, signal.SIGKILL)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _is_there(self) -> bool:
        try:
            os.kill(self._pid, 0)
        except (ProcessLookupError, PermissionError):
            return False
        return bool(self._is_it())


def wait_gone(process: Handle | None) -> None:
    """Wait until the process has ended, which only a killed tether leaves to do, and close."""
    if process is None:
        return
    if not process.wait(GONE_WITHIN_S):
        process.kill()
        process.wait(GONE_WITHIN_S)
    process.close()
