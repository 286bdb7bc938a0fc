"""Predictions about what comes after what, and how long after."""

from lab.scenario.events import NS
from lab.scenario.history import History
from lab.scenario.model import Check, Moment
from lab.scenario.verdict import CheckResult


def follows(
    moment: Moment, cause: Moment, *, at_least_s: float = 0, at_most_s: float | None = None
) -> Check:
    """`moment` comes so many seconds after `cause`; None: however long that takes."""
    name = f"{moment.sentence} follows {cause.sentence}"
    upto = f"to {at_most_s:g} s" if at_most_s is not None else "s or more"

    def judge(history: History) -> CheckResult:
        bound_s = (cause.bound(history) + moment.bound(history)) / NS
        after_s = (moment.at(history) - cause.at(history)) / NS
        is_late = at_most_s is not None and after_s > at_most_s + bound_s
        return CheckResult(
            name=name,
            ok=after_s >= at_least_s - bound_s and not is_late,
            claim=f"{moment.sentence}: {at_least_s:g} {upto} after {cause.sentence}",
            predicted=f"{at_least_s:g} {upto}",
            measured=after_s,
            formula="the one moment - the other, in seconds",
            tolerance=f"both ends widened by {bound_s * 1000:.1f} ms, the bound of the clocks",
        )

    return Check(name, judge)
