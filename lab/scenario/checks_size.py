"""How many requests fail while nobody serves them? As many as come in a time that was observed."""

from collections.abc import Collection

from lab.scenario import size, traffic
from lab.scenario.evidence import verdict_window
from lab.scenario.history import History
from lab.scenario.model import Check
from lab.scenario.spells import Spell
from lab.scenario.verdict import CheckResult


def as_many_as_come(
    endpoints: Collection[str], *, of: str, stream: str, during: Spell, late_s: float
) -> Check:
    """Whoever asks for one of `endpoints` during a spell fails, and nobody else does.

    `of` says which endpoints those are, for the check's name. `late_s` is by how much who serves
    may notice the ends of a spell later than they were seen. Where the spell never came, nobody
    failed of it, and that is no gap in what was seen.
    """
    name = f"number of failures of {of}, {stream}"

    def judge(history: History) -> CheckResult:
        spells, asked = during.find(history), traffic.rate(history, stream, endpoints)
        seconds = sum(spell.seconds for spell in spells)
        predicted = asked * seconds
        allowed = asked * late_s + size.by_chance(predicted)
        measured = _count(history, stream, endpoints)
        return CheckResult(
            name=name,
            ok=size.is_near(measured, predicted, allowed) if spells else False,
            claim=f"{stream}: all fail who ask for {', '.join(endpoints)} while {during.sentence}",
            predicted=round(predicted),
            measured=measured,
            formula=f"{asked:g} requests/s x {seconds:.1f} s",
            tolerance=f"+- {allowed:.0f}: who comes in {late_s:g} s, and {size.SIGMAS} standard"
            " deviations of a count",
            detail=_told(bool(spells), predicted, allowed),
        )

    return Check(name, judge)


def _told(came: bool, predicted: float, allowed: float) -> str:
    if not came:
        return "that never was so"
    return "" if predicted > allowed else "too few to tell"


def _count(history: History, stream: str, endpoints: Collection[str]) -> int:
    failed = traffic.failures(history, verdict_window(history))
    return sum(1 for each in failed if each.stream == stream and each.endpoint in endpoints)
