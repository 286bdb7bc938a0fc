"""A command on a terminal of its own: what it draws there, and how it ends.

Input and errors are the terminal, as for whoever sits at it; the result goes into a pipe.
"""

import contextlib
import os
import pty
import subprocess
import termios
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

# Of xterm: https://invisible-island.net/xterm/ctlseqs/ctlseqs.html, the alternate screen.
TAKEN, GIVEN_BACK = "\x1b[?1049h", "\x1b[?1049l"
HIDDEN, SEEN = "\x1b[?25l", "\x1b[?25h"


class Terminal:
    """What was written to it so far is `written`."""

    def __init__(self, process: "subprocess.Popen[str]", ours: int) -> None:
        self.written = ""
        self._process, self._ours = process, ours
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        # Linux ends the reading of a terminal that nobody has any more with EIO.
        with contextlib.suppress(OSError):
            while piece := os.read(self._ours, 65_536):
                self.written += piece.decode(errors="replace")

    def wait_for(self, text: str, *, timeout_s: float = 60) -> None:
        end = time.monotonic() + timeout_s
        while text not in self.written:
            assert time.monotonic() < end, f"no {text!r} in {self.written[-2000:]!r}"
            assert self._reader.is_alive(), f"ended without {text!r}: {self.written[-2000:]!r}"
            time.sleep(0.05)

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def end(self, *, timeout_s: float = 60) -> tuple[int, str]:
        """Return exit code and result when the command has ended."""
        out, _ = self._process.communicate(timeout=timeout_s)
        self._reader.join(timeout=10)
        return self._process.returncode, out

    @property
    def drawn(self) -> str:
        """What was written while the screen was taken; "" where it never was."""
        return self.written.partition(TAKEN)[2].partition(GIVEN_BACK)[0]


@contextlib.contextmanager
def terminal(
    command: Sequence[str],
    *,
    environ: Mapping[str, str],
    directory: Path | None = None,
    columns: int = 130,
    rows: int = 50,
) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (rows, columns))
    process = subprocess.Popen(
        command,
        env={**environ, "TERM": "xterm-256color"},
        cwd=directory,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        start_new_session=True,
    )
    os.close(theirs)
    shown = Terminal(process, ours)
    try:
        yield shown
    finally:
        with process:
            process.kill()
        shown._reader.join(timeout=10)
        os.close(ours)
