"""How many requests fail while nobody serves them? As many as come in a time that was observed."""

from collections.abc import Collection

from lab.scenario import size, traffic
from lab.scenario.evidence import verdict_window
from lab.scenario.history import History
from lab.scenario.model import Check
from lab.scenario.spells import Spell
from lab.scenario.verdict import CheckResult


def as_many_as_come(
    endpoints: Collection[str], *, of: str, stream: str, during: Spell, within: float = 0.1
) -> Check:
    """Whoever asks for one of `endpoints` during a spell fails, and nobody else does.

    `of` says which endpoints those are, for the check's name. `within` is for what the ends of a
    spell do not tell: a pod that has not noticed yet, a request that was on its way. Where the
    spell never came, nobody failed of it, and that is no gap in what was seen.
    """
    name = f"number of failures of {of}, {stream}"

    def judge(history: History) -> CheckResult:
        spell, asked = during.find(history), traffic.rate(history, stream, endpoints)
        seconds = spell.seconds if spell else 0.0
        predicted = asked * seconds
        allowed = size.allowed(predicted, within=within)
        measured = _count(history, stream, endpoints)
        return CheckResult(
            name=name,
            ok=size.is_near(measured, predicted, allowed) if spell else False,
            claim=f"{stream}: all fail who ask for {', '.join(endpoints)} while {during.sentence}",
            predicted=round(predicted),
            measured=measured,
            formula=f"{asked:g} requests/s x {seconds:.1f} s",
            tolerance=size.tolerance(allowed, within=within),
            detail=_told(spell is not None, predicted, allowed),
        )

    return Check(name, judge)


def _told(came: bool, predicted: float, allowed: float) -> str:
    if not came:
        return "that never was so"
    return "" if predicted > allowed else "too few to tell"


def _count(history: History, stream: str, endpoints: Collection[str]) -> int:
    failed = traffic.failures(history, verdict_window(history))
    return sum(1 for each in failed if each.stream == stream and each.endpoint in endpoints)
