"""From a closed history to a verdict: first whether it proves anything, then what.

Nothing but the history and the scenario goes in, so a stored run can be judged again.
A check that raises, or that cannot tell, makes the run invalid: it never passes.
"""

from collections.abc import Sequence

from lab.scenario import card_told, figures, heard, ledger, signature, traffic, validity
from lab.scenario.card import Card, Filled, Told
from lab.scenario.evidence import MissingEvidence, verdict_window
from lab.scenario.history import History
from lab.scenario.model import Check, Role, Scenario, Variant
from lab.scenario.verdict import CheckResult, Outcome, SignatureRow, Verdict


def judge(scenario: Scenario, variant: Variant, history: History) -> Verdict:
    """Return the verdict of `variant` from its history."""
    invalid = validity.reasons(history, scenario, variant)
    # On a run that proves nothing checks would only add noise, or trip over what is missing.
    checks = () if invalid else tuple(_judge(check, history) for check in variant.checks)
    because = () if invalid else tuple(_judge(check, history) for check in variant.because)
    unclear = [f"{c.name}: {c.detail}" for c in (*checks, *because) if c.ok is None]
    outcome = _outcome(variant, checks) if not invalid and not unclear else Outcome.INVALID
    reasons = (*invalid, *unclear) if outcome is Outcome.INVALID else _missed((*checks, *because))
    window = figures.window_of(history)
    failed = traffic.failures(history, window)
    return Verdict(
        scenario=scenario.name,
        variant=variant.name,
        outcome=outcome,
        reasons=reasons,
        checks=(*checks, *because),
        signature=_signature(history),
        figures=figures.compute(history, variant),
        as_predicted=outcome is variant.expected and all(check.ok for check in because),
        ledger=ledger.keep(history, window, failed),
        card=_fill_in(
            scenario, variant, card_told.told(history, window, failed), heard.sentence(history)
        ),
    )


def _fill_in(scenario: Scenario, variant: Variant, told: tuple[Told, ...], how: str) -> Filled:
    """Return the card of the scenario with what was told, and how far one can go back."""
    final = _final_steps(scenario.card, variant) if scenario.card else ()
    changes = [step.name for step in variant.timeline if step.fault is not None]
    first_final = next((n for n, name in enumerate(changes) if name in final), len(changes))
    return Filled(told, scenario.card, steps=len(changes), returns=first_final, heard=how)


def _final_steps(card: Card, variant: Variant) -> tuple[str, ...]:
    more = card.careless_no_way_back if variant.role is Role.CARELESS else ()
    return (*card.no_way_back, *more)


def _judge(check: Check, history: History) -> CheckResult:
    try:
        return check.judge(history)
    except MissingEvidence as exc:
        return _cannot_tell(check, str(exc))
    except Exception as exc:
        # Whatever goes wrong in a check must not look like a statement about the service.
        return _cannot_tell(check, f"the check itself failed: {exc!r}")


def _cannot_tell(check: Check, why: str) -> CheckResult:
    return CheckResult(check.name, None, check.name, None, None, detail=why)


def _outcome(variant: Variant, checks: Sequence[CheckResult]) -> Outcome:
    held = all(check.ok for check in checks)
    if variant.role is Role.CARELESS:
        return Outcome.REPRODUCED if held else Outcome.NOT_REPRODUCED
    return Outcome.PREVENTED if held else Outcome.NOT_PREVENTED


def _missed(checks: Sequence[CheckResult]) -> tuple[str, ...]:
    return tuple(
        f"{check.name}: predicted {_show(check.predicted)}, measured {_show(check.measured)}"
        + (f" ({check.detail})" if check.detail else "")
        for check in checks
        if not check.ok
    )


def _show(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) and abs(value) < 100 else str(value)


def _signature(history: History) -> tuple[SignatureRow, ...]:
    try:
        window = verdict_window(history)
    except MissingEvidence:
        window = None
    return signature.rows(traffic.requests(history, window))
