"""Read a stream while it is written: complete lines only, from any byte on."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

AT_MOST = 1 << 20
TAIL = 4096
SUFFIX = ".jsonl"


class OffsetPastEnd(ValueError):
    """There is no such byte in the stream yet."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How far a stream reaches, in bytes of complete lines, and whether its last line is there."""

    size: int
    closed: bool


def measure(path: Path) -> Extent:
    with path.open("rb") as file:
        return _measure(file.fileno())


def read(path: Path, offset: int, *, at_most: int = AT_MOST) -> tuple[bytes, Extent]:
    """Return complete lines from byte `offset`, and the extent; raises OffsetPastEnd.

    A single line longer than `at_most` comes whole, or a reader would never get past it.
    """
    with path.open("rb") as file:
        extent = _measure(file.fileno())
        if not 0 <= offset <= extent.size:
            raise OffsetPastEnd(f"byte {offset} of {path.stem} is not within 0..{extent.size}")
        content = os.pread(file.fileno(), min(at_most, extent.size - offset), offset)
        if not content.endswith(b"\n") and b"\n" not in content:
            content = os.pread(file.fileno(), extent.size - offset, offset)
            return content[: content.find(b"\n") + 1], extent
    return content[: content.rfind(b"\n") + 1], extent


def complete_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines there are now; what is being written is left out."""
    with path.open("rb") as file:
        left = _measure(file.fileno()).size
        for line in file:
            left -= len(line)
            if left < 0:
                return
            yield line


def _measure(descriptor: int) -> Extent:
    """Look backwards for the last newline, a block at a time."""
    end = os.fstat(descriptor).st_size
    block = TAIL
    while True:
        start = max(0, end - block)
        tail = os.pread(descriptor, end - start, start)
        complete, newline, _ = tail.rpartition(b"\n")
        if newline and (start == 0 or b"\n" in complete):
            size = start + len(complete) + 1
            return Extent(size, _is_closing(complete.rpartition(b"\n")[2]))
        if start == 0:
            return Extent(0, closed=False)
        block *= 4


def _is_closing(line: bytes) -> bool:
    try:
        found = json.loads(line)
    except ValueError:
        return False
    return isinstance(found, dict) and found.get("kind") == "closed"
