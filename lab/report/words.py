"""Write numbers the same way everywhere: terminal and page both ask here."""

import math
from typing import Any

from lab.report.clean import clean

NOTHING = "-"


def number(value: float) -> str:
    """Thousands apart, no more digits than a reader needs: 1 027, 767, 21.9, 0.34."""
    if not math.isfinite(value):
        return "∞" if value > 0 else NOTHING
    if value == int(value) or abs(value) >= 1_000:
        return f"{round(value):,}".replace(",", " ")
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f}"


def percent(share: float | None) -> str:
    """A share of one as per cent: 17.1 %, 0.05 %, 100 %."""
    if share is None:
        return NOTHING
    value = share * 100
    if value in (0, 100):
        return f"{value:.0f} %"
    if value < 1:
        return f"{value:.2g} %" if value < 0.1 else f"{value:.2f} %"
    return f"{value:.1f} %"


def seconds(value: float | None) -> str:
    """A duration: 0.34 s, 21.9 s; None is a thing that did not happen."""
    return NOTHING if value is None else f"{_rounded(value)} s"


def moment(value: float) -> str:
    """A point on the axis: +1.42 s, -20.0 s; never -0.00 s."""
    value = value if abs(value) >= 0.005 else 0.0
    return f"{value:+.2f} s" if abs(value) < 10 else f"{value:+.1f} s"


def milliseconds(value: float | None) -> str:
    return NOTHING if value is None else f"{_rounded(value)} ms"


def times(count: int, one: str, many: str | None = None) -> str:
    """1 request, 1 027 requests."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def anything(value: Any) -> str:
    """A value of unknown kind, as a check's predicted and measured are."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, dict):
        return clean(", ".join(f"{clean(key)} {_leaf(each)}" for key, each in value.items()))
    if isinstance(value, list | tuple):
        return clean(", ".join(map(_leaf, value)))
    return clean(value)


def _leaf(value: Any) -> str:
    """Write what is in a list; of a list within it nobody needs the contents."""
    return "..." if isinstance(value, dict | list | tuple) else anything(value)


def _rounded(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"
