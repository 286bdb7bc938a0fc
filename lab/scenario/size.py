"""Is a count near enough to the one that was predicted? Counts scatter, and moments are blurred."""

import math

SIGMAS = 3
"""How many standard deviations a count of independent requests may be off by chance."""


def allowed(predicted: float, *, within: float) -> float:
    """Return how far a count may be off: by a share of it, or by chance, whichever is more."""
    return max(within * predicted, SIGMAS * math.sqrt(predicted))


def is_near(measured: int, predicted: float, allowed: float) -> bool | None:
    """Tell whether a count is near enough; None where nothing at all would be, too."""
    if abs(measured - predicted) > allowed:
        return False
    return True if predicted > allowed else None


def tolerance(allowed: float, *, within: float) -> str:
    return (
        f"+- {allowed:.0f}, the larger of {within:.0%} and {SIGMAS} standard deviations of a count"
    )
