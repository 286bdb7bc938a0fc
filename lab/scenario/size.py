"""Is a count near enough to the one that was predicted? Counts scatter, and moments are blurred."""

import math

SIGMAS = 3
"""How many standard deviations a count of independent requests may be off by chance."""


def allowed(predicted: float, *, within: float) -> float:
    """Return how far a count may be off: by a share of it, or by chance, whichever is more."""
    return max(within * predicted, by_chance(predicted))


def by_chance(predicted: float) -> float:
    return SIGMAS * math.sqrt(predicted)


def is_near(measured: int, predicted: float, at_most: float) -> bool | None:
    """Tell whether a count is off by `at_most`; None where no count at all would be near, too."""
    if abs(measured - predicted) > at_most:
        return False
    return True if predicted > at_most else None


def tolerance(at_most: float, *, within: float) -> str:
    return (
        f"+- {at_most:.0f}, the larger of {within:.0%} and {SIGMAS} standard deviations of a count"
    )
