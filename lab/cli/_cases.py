"""How one case of a series is shown: as a line for people, as an object for scripts."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from lab.cli import _output

if TYPE_CHECKING:
    from lab.scenario.tally import Case, Flaky
    from lab.store import Store


def lines(case: "Case", widths: tuple[int, int]) -> Iterator[str]:
    """Yield the line of a case, and below it what is not as it should be."""
    from lab.report import words

    who = f"{case.scenario:<{widths[0]}}  {case.variant:<{widths[1]}}"
    if case.left_out:
        yield f"{case.scenario:<{widths[0]}}  {'':<{widths[1]}}  LEFT OUT        {case.left_out}"
    elif case.verdict is None:
        yield f"{who}  NOT PLAYED      {case.error}"
        yield from (f"    Hint: {hint}" for hint in [case.hint] if hint)
    else:
        figures = case.verdict.figures
        failed = f"{words.number(figures.failures)} of {words.number(figures.requests)} failed"
        outcome = case.verdict.outcome.value.upper()
        took = _output.seconds(figures.wall_s)
        yield f"{who}  {outcome:<14}  {took:>9}  {failed:>22}  {case.run}"
        yield from (f"    {reason}" for reason in case.reasons)
    for number, reasons in enumerate(case.invalid, 1):
        yield f"    try {number} proved nothing: {'; '.join(reasons)}"


def as_object(case: "Case", flaky: "Sequence[Flaky]", store: "Store") -> dict[str, Any]:
    """Return what scripts get: the stored object, or the same fields without a verdict."""
    disagree = {(each.scenario, each.variant) for each in flaky}
    more = {"round": case.round, "flaky": (case.scenario, case.variant) in disagree}
    if case.verdict:
        for told in store.objects(store.find(case.run)):
            if told["variant"] == case.variant:
                return {**told, **more}
    return {
        "scenario": case.scenario,
        "variant": case.variant,
        "stage": case.stage,
        "distribution": None,
        "clock": None,
        "outcome": None,
        "reasons": list(case.reasons),
        "requests": None,
        "signature": [],
        "run": case.run or None,
        "left_out": bool(case.left_out),
        **more,
    }
