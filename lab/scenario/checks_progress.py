"""What does a Deployment say of its own rollout?

The progress deadline only reports: nothing is stopped by it and nothing rolled back
(https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#failed-deployment).
"""

from lab.scenario.evidence import phase_began, verdict_window
from lab.scenario.history import History
from lab.scenario.model import Check, Condition
from lab.scenario.rollouts import EXCEEDED, is_overdue
from lab.scenario.verdict import CheckResult


def overdue(*, within_s: float = 120) -> Condition:
    """The rollout that goes on was reported to be late: what `kubectl rollout status` exits for."""

    def holds(history: History, _now: int) -> bool:
        last = history.last("deployment")
        return last is not None and last["t"] >= phase_began(history, "run") and is_overdue(last)

    return Condition("the rollout has exceeded its progress deadline", holds, within_s)


def is_reported_late() -> Check:
    return _deadline("the rollout is reported to have failed", wanted=True)


def is_never_reported_late() -> Check:
    return _deadline("the rollout is never reported to have failed", wanted=False)


def _deadline(name: str, *, wanted: bool) -> Check:
    def judge(history: History) -> CheckResult:
        window = verdict_window(history)
        lines = [line for line in history.of("deployment") if line["t"] in window]
        late = sum(map(is_overdue, lines))
        return CheckResult(
            name=name,
            ok=bool(late) is wanted if lines else None,
            claim=name,
            predicted=EXCEEDED if wanted else "",
            measured=EXCEEDED if late else "",
            formula="condition Progressing of the Deployment: status False for this reason",
            tolerance="none",
            detail=f"allowed without progress: {history.facts.get('progress_deadline_s', '?')} s",
        )

    return Check(name, judge)
