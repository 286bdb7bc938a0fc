"""Show a run on this terminal while it goes on.

A thread of its own reads what the run has written and draws it. Nothing of the run waits for it:
a terminal that is slow, or held by Ctrl-S, holds up the thread alone.
"""

import logging
import sys
import threading
from pathlib import Path
from typing import Any, Self

from lab.cli import _output
from lab.progress import Progress, Silent

EVERY_S = 0.5
_log = logging.getLogger(__name__)


class Watching:
    """A context manager; within it `begin` shows the run in a directory until the end.

    Where there is no terminal, or nobody wants to see it, it does nothing.
    """

    def __init__(self, *, wanted: bool) -> None:
        self.is_wanted = wanted and sys.stderr.isatty()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        if wanted and not self.is_wanted:
            _output.note("--watch needs a terminal; telling in lines instead")

    def progress(self, otherwise: Progress) -> Progress:
        """Return what a run tells its progress to: nobody, where the screen is taken."""
        return Silent() if self.is_wanted else otherwise

    def begin(self, directory: Path) -> None:
        if self.is_wanted:
            self._thread = threading.Thread(target=self._show, args=(directory,), daemon=True)
            self._thread.start()

    def _show(self, directory: Path) -> None:
        try:
            self._draw(directory)
        except Exception:
            # Whoever looks on must not end what they look at.
            _log.exception("the run can no longer be shown")

    def _draw(self, directory: Path) -> None:
        from rich.console import Console
        from rich.live import Live

        from lab.report.follow import Follower

        console, follower = Console(stderr=True, highlight=False), Follower(directory)
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while not self._over.wait(EVERY_S):
                if follower.read():
                    live.update(_picture(follower, console.size), refresh=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread is not None:
            # Long enough to give the screen back; a terminal that is held is not waited for.
            self._thread.join(timeout=2)


def _picture(follower: Any, size: Any) -> Any:
    from lab.report import frame, watch

    shown = frame.frame(follower.view(), active=follower.latest)
    return watch.render(shown, width=size.width, height=size.height)
