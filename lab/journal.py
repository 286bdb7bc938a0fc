"""What is about to be changed on the host, written down before it is changed.

One line of JSON a change, flushed to disk before the change is made; a second
line when it has been undone. So whatever kills lab, the next command knows all
that may have to be taken back: an intended change that never happened is undone
too, which every undo must therefore survive.
"""

import errno
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.files import give_to, says_where_it_is_full
from lab.paths import Caller


@dataclass(frozen=True, slots=True)
class Change:
    """One change to the host: what kind of thing, which one, and what undoing it needs."""

    seq: int
    kind: str
    what: str
    boot_id: str
    undo: dict[str, Any] = field(default_factory=dict)


class Journal:
    """The changes of one lab, oldest first in the file."""

    def __init__(self, path: Path, *, owner: Caller, boot_id: str) -> None:
        self._path = path
        self._owner = owner
        self._boot_id = boot_id

    def intend(self, kind: str, what: str, **undo: Any) -> Change:
        """Write down a change; it is on disk when this returns, so it may now be made."""
        seq = max((change.seq for change, _ in self._entries()), default=0) + 1
        change = Change(seq, kind, what, self._boot_id, undo)
        self._append({"change": asdict(change)})
        return change

    def intend_once(self, kind: str, what: str, **undo: Any) -> Change:
        """Like `intend`, but keep an open entry of this boot for the same thing."""
        for change in self.open_changes():
            if (change.kind, change.what, change.boot_id) == (kind, what, self._boot_id):
                return change
        return self.intend(kind, what, **undo)

    def undone(self, change: Change) -> None:
        self._append({"undone": change.seq})

    def open_changes(self) -> list[Change]:
        """Every change that has not been undone, newest first."""
        entries = list(self._entries())
        closed = {seq for _, seq in entries if seq}
        changes = [change for change, seq in entries if not seq]
        return [change for change in reversed(changes) if change.seq not in closed]

    def _entries(self) -> Iterator[tuple[Change, int]]:
        """Yield (change, 0) for an intention, (change, its seq) for an undo."""
        if not self._path.exists():
            return
        lines = self._path.read_bytes().split(b"\n")
        known: dict[int, Change] = {}
        for number, line in enumerate(lines, start=1):
            # The last line may be cut short by a crash. Nothing followed it, so its
            # change was never made: `intend` returns only after the line is on disk.
            if not line or (number == len(lines)):
                continue
            try:
                change, undone = _parse(line, known)
            except (ValueError, TypeError, LookupError) as exc:
                raise LabError(
                    f"line {number} of the journal {self._path} is damaged",
                    hint=f"lab down --name {self._path.parent.name}",
                ) from exc
            known[change.seq] = change
            yield change, undone

    def _append(self, entry: dict[str, Any]) -> None:
        line = json.dumps(entry, sort_keys=True).encode() + b"\n"
        with says_where_it_is_full(self._path):
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
            descriptor = os.open(self._path, flags, 0o600)
            try:
                self._drop_unfinished_line(descriptor)
                if os.write(descriptor, line) != len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        give_to(self._path, self._owner)

    @staticmethod
    def _drop_unfinished_line(descriptor: int) -> None:
        """Cut what a crash left after the last newline, or it would spoil the next line."""
        size = os.fstat(descriptor).st_size
        if size == 0:
            return
        content = os.pread(descriptor, size, 0)
        os.ftruncate(descriptor, content.rfind(b"\n") + 1)


def _parse(line: bytes, known: Mapping[int, Change]) -> tuple[Change, int]:
    entry = json.loads(line)
    if "undone" in entry:
        return known[entry["undone"]], entry["undone"]
    return Change(**entry["change"]), 0
