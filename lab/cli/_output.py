"""The only printer: results to stdout; progress, errors and hints to stderr."""

import json
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import TYPE_CHECKING, Any, TextIO

from lab.errors import Interrupted, LabError
from lab.progress import Task

if TYPE_CHECKING:
    from rich.text import Text

# Without a terminal a long task says where it is this often, in seconds.
REPORT_EVERY_S = 20.0


def show(text: str) -> None:
    _write(sys.stdout, text)


def show_rich(text: "Text") -> None:
    """Print text with colours on a terminal, without them elsewhere."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        show(text.plain)
        return
    from rich.console import Console

    Console(highlight=False).print(text)


def show_json(value: Any) -> None:
    show(json.dumps(value, indent=2, default=_to_plain))


def show_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns the way kubectl does: upper-case headers, three spaces between."""
    table = [[title.upper() for title in header], *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    for row in table:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        show("   ".join(cells).rstrip())


def note(text: str) -> None:
    # Nobody is left to be told that what is told on the way cannot be written.
    with suppress(OSError):
        _write(sys.stderr, text)


# What is shown may come from files and from a cluster; none of it may steer the terminal.
CONTROLS = dict.fromkeys((*range(32), *range(127, 160)), "�")
del CONTROLS[ord("\n")], CONTROLS[ord("\t")]


def _write(stream: TextIO, text: str) -> None:
    """Write a line, unless whoever read has seen enough: then the command goes on unread."""
    try:
        print(text.translate(CONTROLS), file=stream, flush=True)
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def show_error(error: LabError) -> None:
    note(f"Error: {error.message}")
    if error.hint:
        note(f"Hint: {error.hint}")


def make_progress(*, quiet: bool = False) -> "Lines | Live":
    """Return a live display for a terminal, plain lines for a pipe."""
    if quiet or not sys.stderr.isatty():
        return Lines(sys.stderr, quiet=quiet)
    return Live()


def seconds(value: float) -> str:
    return f"{value:.1f} s" if value < 100 else f"{int(value) // 60} min {int(value) % 60} s"


def about(value: float) -> str:
    """Spell an estimate, which is not exact to the second."""
    return f"{round(value / 10) * 10} s" if value < 115 else f"{round(value / 60)} min"


def _to_plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return str(value)


@dataclass(slots=True)
class Lines:
    """One line when a task has ended, and for a long one now and then where it is."""

    stream: TextIO
    quiet: bool = False
    finished: list[tuple[str, float]] = field(default_factory=list)

    @contextmanager
    def task(self, title: str) -> Iterator[Task]:
        started = time.monotonic()
        task = _LineTask(self, title, started)
        try:
            yield task
        except BaseException:
            self.say(f"  failed: {title} after {seconds(time.monotonic() - started)}")
            raise
        took = time.monotonic() - started
        self.finished.append((title, took))
        self.say(f"  {title}  {seconds(took)}")

    def say(self, text: str) -> None:
        if not self.quiet:
            _write(self.stream, text)


@dataclass(slots=True)
class _LineTask:
    lines: Lines
    title: str
    reported: float

    def advance(self, done: int, total: int, detail: str = "") -> None:
        now = time.monotonic()
        if now - self.reported >= REPORT_EVERY_S:
            self.reported = now
            count = f" {done}/{total}" if total else ""
            self.lines.say(f"  ... {self.title}{count} {detail}".rstrip())


class Live:
    """A line a running task, with spinner and bar, kept on the screen when it has ended."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Display

        self.finished: list[tuple[str, float]] = []
        self._console = Console(stderr=True)
        self._running = 0
        self._lock = threading.Lock()
        self._display = Display(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[count]}"),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[detail]}"),
            console=self._console,
            transient=True,
        )

    @contextmanager
    def task(self, title: str) -> Iterator[Task]:
        started = time.monotonic()
        number = self._display.add_task(title, total=None, count="", detail="")
        self._enter()
        try:
            yield _LiveTask(self._display, number)
        except BaseException:
            self._console.print(f"[red]✗[/red] {title}", highlight=False)
            raise
        else:
            took = time.monotonic() - started
            self.finished.append((title, took))
            text = f"[green]✓[/green] {title} [dim]{seconds(took)}[/dim]"
            self._console.print(text, highlight=False)
        finally:
            self._display.remove_task(number)
            self._leave()

    def _enter(self) -> None:
        with self._lock:
            self._running += 1
            if self._running == 1:
                self._display.start()

    def _leave(self) -> None:
        with self._lock:
            self._running -= 1
            if self._running == 0:
                self._display.stop()


@dataclass(frozen=True, slots=True)
class _LiveTask:
    display: Any
    number: Any

    def advance(self, done: int, total: int, detail: str = "") -> None:
        count = f"{done}/{total}" if total else ""
        self.display.update(
            self.number, completed=done, total=total or None, count=count, detail=detail[:60]
        )


def confirm(question: str) -> None:
    """Ask, if a person is there to answer; raise Interrupted unless they say yes."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr and sys.stderr.isatty()):
        return
    import typer

    try:
        agreed = typer.confirm(question, err=True)
    except typer.Abort:
        agreed = False
    if not agreed:
        raise Interrupted("not confirmed; nothing was removed", hint="--yes does not ask")
