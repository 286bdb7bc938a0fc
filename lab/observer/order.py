"""Lines in the order in which their requests were due, though they end in any order.

So the file is a prefix without gaps at every moment, also after a crash: whatever is
missing lies after its last line. The price is that a line waits for those before it,
which is at most the longest that one request may take.
"""

from collections.abc import Callable, Mapping
from typing import Any

Line = Mapping[str, Any]


class InOrder:
    """Pass lines on to `write`, number 0 first, none twice."""

    def __init__(self, write: Callable[[Line], None]) -> None:
        self._write = write
        self._next = 0
        self._held: dict[int, Line] = {}

    def put(self, seq: int, line: Line) -> None:
        if seq < self._next or seq in self._held:
            raise ValueError(f"line {seq} was put twice")
        self._held[seq] = line
        while self._next in self._held:
            self._write(self._held.pop(self._next))
            self._next += 1

    @property
    def held(self) -> int:
        return len(self._held)
