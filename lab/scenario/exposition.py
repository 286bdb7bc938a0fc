"""What do counters and gauges say, and which of them moved between two looks?

Read from Prometheus' text format 0.0.4, as far as a service here writes it: no timestamps, no
histograms (https://prometheus.io/docs/instrumenting/exposition_formats/). A line that is none is
left out, since what pods answer is not ours. A counter that is smaller than before began anew
with its process, so it counts from 0, as in Prometheus' `increase`
(https://prometheus.io/docs/prometheus/latest/querying/functions/#increase).
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

COUNTER, GAUGE = "counter", "gauge"
MOST_SERIES = 2_000
LONGEST_VALUE = 200

_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?\s+(\S+)\s*$")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
_ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}
_ESCAPE = re.compile(r'\\[\\"n]')


@dataclass(frozen=True, slots=True)
class Series:
    """One metric with its labels, in their order."""

    name: str
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """What a pod answered: the kind of each metric by its name, and all values."""

    kinds: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[Series, float] = field(default_factory=dict)


def read(text: str) -> Look:
    """Return what `text` says; at most MOST_SERIES values."""
    kinds: dict[str, str] = {}
    values: dict[Series, float] = {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            name, _, kind = line.removeprefix("# TYPE ").partition(" ")
            kinds[name] = kind.strip()
        elif not line.startswith("#") and len(values) < MOST_SERIES:
            values.update(_sample(line))
    return Look(kinds, values)


def _sample(line: str) -> Iterator[tuple[Series, float]]:
    found = _SAMPLE.match(line)
    if found is None:
        return
    labels = tuple((name, _plain(value)) for name, value in _LABEL.findall(found[2] or ""))
    try:
        value = float(found[3])
    except ValueError:
        return
    if math.isfinite(value):
        yield Series(found[1], labels), value


def _plain(value: str) -> str:
    return _ESCAPE.sub(lambda found: _ESCAPES[found[0]], value)[:LONGEST_VALUE]


@dataclass(frozen=True, slots=True)
class Move:
    """A metric that is not what it was; `before` is None where it was not there."""

    series: Series
    kind: str
    before: float | None
    after: float


class Watched:
    """All looks at one pod. What was `new` when it was first looked at began from nothing."""

    def __init__(self, *, new: bool) -> None:
        self._first: Look | None = Look() if new else None
        self._last = Look()
        self._more: dict[Series, float] = {}

    @property
    def has_begun(self) -> bool:
        """Whether it is known what it began from."""
        return self._first is not None

    def take(self, look: Look) -> None:
        if self._first is None:
            self._first = look
        else:
            for series, value in look.values.items():
                if look.kinds.get(series.name) == COUNTER:
                    before = self._last.values.get(series, 0.0)
                    more = value - before if value >= before else value
                    self._more[series] = self._more.get(series, 0.0) + more
        self._last = look

    def moves(self) -> Iterator[Move]:
        """Yield each counter that counted, and each gauge that is another whole number now.

        A gauge with a fraction is a time, which is never the same twice.
        """
        first = self._first or Look()
        for series, more in self._more.items():
            if more:
                before = first.values.get(series, 0.0)
                yield Move(series, COUNTER, before, before + more)
        for series, after in self._last.values.items():
            then = first.values.get(series)
            if self._last.kinds.get(series.name) == GAUGE and _changed(then, after):
                yield Move(series, GAUGE, then, after)


def _changed(before: float | None, after: float) -> bool:
    if before is None:
        # Of a pod that is new: to be there is no move.
        return False
    return before != after and before.is_integer() and float(after).is_integer()


def added_up(moves: Iterable[Move]) -> tuple[tuple[Move, int], ...]:
    """Put the moves of several pods together, with how many pods had each.

    Counters are added; gauges are put together where they moved from the same to the same.
    """
    found: dict[tuple[object, ...], tuple[Move, int]] = {}
    for move in moves:
        same = () if move.kind == COUNTER else (move.before, move.after)
        key = (move.series, move.kind, *same)
        known = found.get(key)
        found[key] = (_sum(known[0], move), known[1] + 1) if known else (move, 1)
    return tuple(found.values())


def _sum(one: Move, other: Move) -> Move:
    if one.kind != COUNTER:
        return one
    before = (one.before or 0.0) + (other.before or 0.0)
    return Move(one.series, COUNTER, before, one.after + other.after)
