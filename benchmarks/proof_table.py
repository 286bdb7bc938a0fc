"""What was proved, as a table for the README."""

import re
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.agreement import VARIANTS
from benchmarks.proof_state import Failure, Result
from lab.errors import InvalidValue
from lab.files import write_atomic
from lab.paths import Caller
from lab.report import words
from lab.scenario.verdict import CheckResult, Outcome
from lab.stages import clock_mode

MOST_CHECKS = 2
COLUMNS = (
    "scenario",
    "variant",
    "outcome",
    "wall",
    "requests",
    "failed",
    "predicted / measured",
    "runs",
)


def render(
    results: Sequence[Result],
    *,
    stage: str,
    date: str,
    machine: Mapping[str, str],
    failures: Sequence[Failure] = (),
    left: Sequence[str] = (),
) -> str:
    """Return Markdown. `left` names what is still to be played."""
    return "\n".join(_lines(results, stage, date, machine, failures, left)) + "\n"


def _lines(
    results: Sequence[Result],
    stage: str,
    date: str,
    machine: Mapping[str, str],
    failures: Sequence[Failure],
    left: Sequence[str],
) -> Iterator[str]:
    yield f"Measured {date} on {', '.join(f'{key} {value}' for key, value in machine.items())}."
    if any(each.where.get("clock") == clock_mode.FAST.name for each in results):
        yield "Timers of nodes and rollouts were shortened: honest ones take longer than this."
    yield f"Stage: {_where(results) or stage}. Medians of all runs; predicted / measured is that of"
    yield "the run with the median number of failures."
    yield ""
    yield f"| {' | '.join(COLUMNS)} |"
    yield "|---|---|---|--:|--:|--:|---|--:|"
    for rows in _by_row(results):
        yield _row(rows)
    yield ""
    yield _once(results)
    if failures or left:
        yield ""
    for each in failures:
        yield f"- {each.scenario} {each.variant} could not be played: {each.error}"
    if left:
        yield f"- still to be played: {', '.join(left)}"


def _by_row(results: Sequence[Result]) -> Iterator[Sequence[Result]]:
    """Yield the runs of each variant: scenarios by name, variants in the order of playing."""
    played = dict.fromkeys((each.scenario, each.variant) for each in results)
    for who in sorted(played, key=lambda who: who[0]):
        yield [each for each in results if (each.scenario, each.variant) == who]


def _once(results: Sequence[Result]) -> str:
    """Say how long careless and careful of all scenarios take, one after the other."""
    both = [rows for rows in _by_row(results) if rows[0].variant in VARIANTS]
    seconds = sum(_wall_s(_valid(rows)) for rows in both)
    scenarios = len({rows[0].scenario for rows in both})
    return f"Careless and careful of these {scenarios} once: {seconds / 60:.1f} minutes."


def _valid(results: Sequence[Result]) -> Sequence[Result]:
    """Return those that prove something; they have figures to show, unless there are no others."""
    return [r for r in results if r.verdict.outcome is not Outcome.INVALID] or list(results)


def _wall_s(valid: Sequence[Result]) -> float:
    return statistics.median(each.verdict.figures.wall_s for each in valid)


def _where(results: Sequence[Result]) -> str:
    """Return stage, distribution, version and clock of all runs; several if they differ."""
    told = dict.fromkeys(
        ", ".join(str(value) for value in each.where.values() if value) for each in results
    )
    return "; ".join(told)


def _row(results: Sequence[Result]) -> str:
    valid = _valid(results)
    figures = [each.verdict.figures for each in valid]
    typical = sorted(valid, key=lambda r: r.verdict.figures.failures)[(len(valid) - 1) // 2]
    cells = (
        results[0].scenario,
        results[0].variant,
        _outcomes(results),
        f"{_wall_s(valid):.0f} s",
        words.number(round(statistics.median(f.requests for f in figures))),
        _failed([f.failures for f in figures]),
        _predicted(typical.verdict.checks),
        _runs(results),
    )
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _outcomes(results: Sequence[Result]) -> str:
    """Return each outcome with how often; all of them when they agree. Bold: not as predicted."""
    counted = Counter((r.verdict.outcome.value, r.verdict.as_predicted) for r in results)
    total = len(results)
    told = (
        (outcome if count == total else f"{outcome} {count} of {total}", as_predicted)
        for (outcome, as_predicted), count in counted.most_common()
    )
    return ", ".join(text if as_predicted else f"**{text}**" for text, as_predicted in told)


def _failed(counts: Sequence[int]) -> str:
    median, least, most = round(statistics.median(counts)), min(counts), max(counts)
    if least == most:
        return words.number(median)
    return f"{words.number(median)} ({words.number(least)} to {words.number(most)})"


def _predicted(checks: Sequence[CheckResult]) -> str:
    """Return predicted and measured of what predicts a number of things, as the report does."""
    counted = [c for c in checks if _is_number(c.predicted) and type(c.measured) is int]
    return "; ".join(
        f"{words.anything(c.predicted)} / {words.anything(c.measured)} {c.name}"
        for c in counted[:MOST_CHECKS]
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _runs(results: Sequence[Result]) -> str:
    twice = sum(each.tries > 1 for each in results)
    return f"{len(results)}, {twice} tried twice" if twice else str(len(results))


def put_into(file: Path, stage: str, table: str, *, owner: Caller) -> None:
    """Put the table between the stage's marks in a Markdown file. Raises InvalidValue."""
    begin, end = f"<!-- proof: {stage} -->", f"<!-- end of proof: {stage} -->"
    text = file.read_text(encoding="utf-8")
    between = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if len(between.findall(text)) != 1:
        raise InvalidValue(f"{file} has no single place for it", hint=f"write {begin} {end} there")
    new = between.sub(lambda _: f"{begin}\n{table}{end}", text)
    write_atomic(file, new, owner=owner, mode=file.stat().st_mode & 0o777)
