"""Look on while a run is written: read what its histories have grown by, as often as wanted.

Whoever looks on reads files that the run has written anyway, so nobody who does, or stops doing
it, is in its way. What cannot be read is told as it is for a stored run, see `stored`.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.report import stored, view
from lab.report.picture import Picture
from lab.scenario.verdict import Verdict
from lab.store import HISTORY, VERDICT

# So much at a time: a history of hours must not come into memory as one piece.
_PIECE = 8 << 20


@dataclass(slots=True)
class _Variant:
    """One history as far as it was read; `inode` tells when another one took its place."""

    path: Path
    inode: int = 0
    offset: int = 0
    lines: int = 0
    broken: list[int] = field(default_factory=list)
    picture: Picture = field(default_factory=Picture)
    begun: dict[str, Any] = field(default_factory=dict)
    verdict: Verdict | None = None
    unread: tuple[str, ...] = ()
    stamp: int = 0
    shown: view.VariantView | None = None

    @property
    def name(self) -> str:
        return self.path.parent.name

    def read(self) -> bool:
        """Read what is new and tell whether anything was."""
        try:
            with self.path.open("rb") as file:
                return self._read_from(file.fileno()) | self._read_verdict()
        except FileNotFoundError:
            return False

    def _read_from(self, descriptor: int) -> bool:
        status = os.fstat(descriptor)
        if status.st_ino != self.inode or status.st_size < self.offset:
            self._begin_anew(status.st_ino)
        piece = os.pread(descriptor, _PIECE, self.offset)
        # A line whose end is not written yet is read next time.
        whole = piece[: piece.rfind(b"\n") + 1]
        if not whole:
            return False
        self.offset += len(whole)
        self._take(whole)
        return True

    def _begin_anew(self, inode: int) -> None:
        self.inode, self.offset, self.lines = inode, 0, 0
        self.broken, self.picture, self.begun = [], Picture(), {}
        self.verdict, self.unread, self.stamp, self.shown = None, (), 0, None

    def _take(self, whole: bytes) -> None:
        events, broken, count = stored.read_lines(whole)
        self.broken += [self.lines + place for place in broken]
        self.lines += count
        self.begun = self.begun or view.begun_as(events)
        self.picture.take(events)
        self.shown = None

    def _read_verdict(self) -> bool:
        path = self.path.with_name(VERDICT)
        stamp = path.stat().st_mtime_ns if path.is_file() else 0
        if stamp == self.stamp:
            return False
        self.stamp, self.shown = stamp, None
        self.verdict, self.unread = stored.load_verdict(path.parent) if stamp else (None, ())
        return True

    def view(self) -> view.VariantView:
        if self.shown is None:
            damage = (*stored.tell_broken(self.broken, self.lines), *self.unread)
            self.shown = view.build_variant(
                self.name, self.picture, self.verdict, damage, so_far=True
            )
        return self.shown


class Follower:
    """The run in `directory`, which may still be written."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._told: Mapping[str, Any] = {}
        self._damage: tuple[str, ...] = ()
        self._variants: dict[str, _Variant] = {}

    def read(self) -> bool:
        """Take in what is new; tell whether anything was."""
        for path in self.directory.glob(f"*/{HISTORY}"):
            self._variants.setdefault(path.parent.name, _Variant(path))
        if not self._told:
            self._told, self._damage = stored.load_about(self.directory)
        # Each of them has to be asked.
        news = [each.read() for each in self._variants.values()]
        return any(news)

    @property
    def latest(self) -> str:
        """The variant that was begun last, "" where none was."""
        begun = [(each.picture.latest or 0, name) for name, each in self._variants.items()]
        return max(begun, default=(0, ""))[1]

    @property
    def heard(self) -> int:
        """The newest time that was heard of, in ns of the observer; 0 before any."""
        return max((each.picture.latest or 0 for each in self._variants.values()), default=0)

    @property
    def told(self) -> dict[str, Any]:
        """What is told of the run: by run.json, else by the first line of a history."""
        begun = next((each.begun for each in self._variants.values() if each.begun), {})
        return {**begun, **self._told}

    def view(self) -> view.View:
        """Return what there is to show by now."""
        variants = sorted(self._variants.values(), key=lambda each: stored.order(each.name))
        shown = tuple(each.view() for each in variants if each.lines)
        said = stored.load_guesses(self.directory)
        return view.assemble(self.directory.name, self.told, shown, self._damage, said)
