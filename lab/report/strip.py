"""Draw requests a second with characters: failures below, what was foreseen as a line across.

A failure is told apart from an answer by its character, not by its colour alone.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

FAILED, ANSWERED, NOTHING, FORESEEN = "█", "░", " ", "╌"


def strip(
    variant: Mapping[str, Any], span: Sequence[int], most: int, *, width: int, height: int
) -> tuple[str, ...]:
    """Return `height` rows of `width` characters, one column a second or several seconds.

    `variant` is one of `lab.report.series`; `span` the seconds from and to, `most` the requests a
    second of the top row.
    """
    columns = list(_columns(variant, span, width))
    step = max(most, 1) / height
    return tuple(
        "".join(_cell(column, row * step, (row + 1) * step) for column in columns)
        for row in reversed(range(height))
    )


Column = tuple[float, float, float | None]
"""Failed and sent requests a second, and failed ones that were foreseen."""


def _columns(variant: Mapping[str, Any], span: Sequence[int], width: int) -> Iterator[Column]:
    first, last = span
    begin = variant["seconds"][0] if variant["seconds"] else first
    per = (last - first) / width
    for number in range(width):
        second = first + number * per
        at = math.floor(second - begin)
        places = range(at, max(math.floor(second + per - begin), at + 1))
        yield (*_sent(variant["bands"], places), _foreseen(variant["forecast"], second))


def _sent(bands: Sequence[Mapping[str, Any]], places: range) -> tuple[float, float]:
    failed = sent = 0
    for band in bands:
        counted = sum(band["counts"][at] for at in places if 0 <= at < len(band["counts"]))
        sent += counted
        failed += counted if band["kind"] in ("failed", "silent") else 0
    return failed / len(places), sent / len(places)


def _foreseen(forecast: Mapping[str, Any] | None, second: float) -> float | None:
    points = forecast["points"] if forecast else ()
    return next((count for at, count in reversed(points) if at <= second), None)


def _cell(column: Column, low: float, high: float) -> str:
    failed, sent, foreseen = column
    middle = (low + high) / 2
    if foreseen is not None and low <= foreseen < high and not (low == 0 and foreseen == 0):
        return FORESEEN
    if failed > middle or (low == 0 and failed > 0):
        return FAILED
    return ANSWERED if sent > middle else NOTHING
