"""Predictions about the data, asked after the run: how often was something done to it?

Apart from availability: data can be wrong while every request was answered.
"""

from lab.scenario.evidence import MissingEvidence
from lab.scenario.history import History
from lab.scenario.model import Check, Invariant
from lab.scenario.verdict import CheckResult


def exceeds(invariant: Invariant) -> Check:
    """The data is damaged: the answer is more than it may be."""

    def judge(history: History) -> CheckResult:
        value = answer(history, invariant)
        return CheckResult(
            name=f"not so: {invariant.name}",
            ok=value > invariant.expected,
            claim=f"it does not hold that {invariant.name}",
            predicted=f"more than {invariant.expected}",
            measured=value,
            formula=invariant.sql,
            tolerance="none",
        )

    return Check(f"not so: {invariant.name}", judge)


def is_times(invariant: Invariant, factor: int, of: Invariant) -> Check:
    """One answer is `factor` times another: each time that is recorded has left its mark."""
    name = f"{invariant.name}: {factor} times what was recorded"

    def judge(history: History) -> CheckResult:
        times, value = answer(history, of), answer(history, invariant)
        return CheckResult(
            name=name,
            ok=value == factor * times,
            claim=f"the answer to {invariant.name!r} is {factor} times that to {of.name!r}",
            predicted=factor * times,
            measured=value,
            formula=f"{factor} x ({of.sql}) = {factor} x {times}",
            tolerance="none",
            detail=invariant.sql,
        )

    return Check(name, judge)


def answer(history: History, invariant: Invariant) -> int:
    """Return what the database answered. Raises MissingEvidence when it did not."""
    event = history.last("invariant", name=invariant.name)
    if event is None:
        raise MissingEvidence(f"the invariant {invariant.name!r} was not asked")
    if event.get("value") is None:
        raise MissingEvidence(f"{invariant.name!r} was not answered: {event.get('error')}")
    return int(event["value"])
