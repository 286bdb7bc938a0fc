"""Hold Ctrl-C back while something must not be cut short, and obey it afterwards."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_HELD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def held() -> Iterator[None]:
    """Within the context signals that end a process only wait; then the first one is raised.

    What is done within must be bounded in time. Python delivers signals to the main
    thread only, so in any other there is nothing to hold.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[int] = []

    def wait(number: int, _frame: FrameType | None) -> None:
        waiting.append(number)

    with _blocked():
        before = {number: signal.signal(number, wait) for number in _HELD}
    try:
        yield
    finally:
        with _blocked():
            for number, handler in before.items():
                # None: it was not installed from Python, so it cannot be put back from here.
                signal.signal(number, signal.SIG_DFL if handler is None else handler)
    if waiting:
        signal.raise_signal(waiting[0])


@contextmanager
def _blocked() -> Iterator[None]:
    """Let none of the signals in while only some of their handlers are changed."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
