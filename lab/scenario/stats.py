"""Figures that say how sure they are, and never one average over a whole run.

A mean over a run hides a stall of half a minute; what is shown is a series by second,
and each rate with its interval.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from lab.scenario.events import NS
from lab.scenario.traffic import Request

Z95 = 1.959963984540054
"""The standard normal distribution has 95 % of its weight within this of its mean."""


def percentile(values: Iterable[float], share: float) -> float:
    """Return the smallest value that is not exceeded by `share` of all (nearest rank).

    Raises ValueError for no values, or a share that is not within 0 to 1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"a share of {share} is not within 0 to 1")
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no values")
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def wilson(hits: int, of: int) -> tuple[float, float]:
    """Return the 95 % interval of a rate that was seen as `hits` of `of` (E. B. Wilson 1927).

    Raises ValueError when `hits` cannot be a part of `of`.
    """
    if not 0 <= hits <= of or of == 0:
        raise ValueError(f"{hits} of {of} is no rate")
    p, z2 = hits / of, Z95 * Z95
    centre = (p + z2 / (2 * of)) / (1 + z2 / of)
    half = Z95 / (1 + z2 / of) * math.sqrt(p * (1 - p) / of + z2 / (4 * of * of))
    # At the edges the interval ends there exactly; rounding must not put it beyond.
    low = 0.0 if hits == 0 else max(0.0, centre - half)
    return low, 1.0 if hits == of else min(1.0, centre + half)


def rule_of_three(of: int) -> float:
    """Return the 95 % upper limit of a rate that was seen as 0 of `of`: about 3/n.

    https://en.wikipedia.org/wiki/Rule_of_three_(statistics). Raises ValueError for none.
    """
    if of < 1:
        raise ValueError("nothing was seen")
    return min(1.0, 3 / of)


def per_second(
    requests: Sequence[Request], *, begin: int
) -> Mapping[tuple[str, str], Mapping[int, int]]:
    """Count requests by (release, outcome) and second after `begin`; release "" if unknown."""
    series: dict[tuple[str, str], Counter[int]] = {}
    for request in requests:
        key = (request.release or "", request.outcome)
        series.setdefault(key, Counter())[(request.t - begin) // NS] += 1
    return series
