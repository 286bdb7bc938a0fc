"""Predictions about what an operator is answered who asks before doing."""

from typing import Protocol

from lab.scenario.events import Event
from lab.scenario.evidence import MissingEvidence, requested
from lab.scenario.history import History
from lab.scenario.model import Check
from lab.scenario.nodes import ghosts
from lab.scenario.verdict import CheckResult

YES, NO = 0, 1


class Question(Protocol):
    """A fault that asks; see `lab.faults.ask`."""

    @property
    def name(self) -> str: ...

    def answer(self, history: History) -> Event | None: ...


def refused_for_ghosts(question: Question, node: str, release: str) -> Check:
    """The answer is no, and it names every ghost of `release` on the lost node."""
    name = f"{question.name}: no, and who is still there"

    def judge(history: History) -> CheckResult:
        answer = _answer(question, history)
        expected = ghosts(history, node, release, requested(history, question.name) or 0)
        named = {session.get("pod") for session in answer["told"].get("sessions", ())}
        return CheckResult(
            name=name,
            ok=answer["code"] == NO and bool(expected) and expected <= named,
            claim=f"who asks is refused, and told the pods of {release} that live on {node}",
            predicted=", ".join(sorted(expected)) or "none",
            measured=", ".join(sorted(map(str, named))) or "none",
            formula="pods of the sessions that the answer names; exit code 1",
            tolerance="none",
            detail=f"exit code {answer['code']}: {answer['told'].get('sentence', '')}",
        )

    return Check(name, judge)


def allowed(question: Question) -> Check:
    """The answer is yes."""
    name = f"{question.name}: yes"

    def judge(history: History) -> CheckResult:
        answer = _answer(question, history)
        return CheckResult(
            name=name,
            ok=answer["code"] == YES,
            claim="who asks again, when nobody is left and nobody can come back, is let through",
            predicted=YES,
            measured=answer["code"],
            formula="exit code",
            tolerance="none",
            detail=str(answer["told"].get("sentence", "")),
        )

    return Check(name, judge)


def _answer(question: Question, history: History) -> Event:
    answer = question.answer(history)
    if answer is None:
        raise MissingEvidence(f"{question.name} was not answered")
    return answer
