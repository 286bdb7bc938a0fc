"""A question is seen by its answer, whatever that is, and leaves nothing."""

from typing import Any

import pytest

from lab.faults import Ask
from lab.faults.ask import CANNOT_TELL, NO, YES
from tests.faults.lines import injected, recovered, requested

FIRST = Ask(("can-i-contract", "--to", "9"))


def answer(fault: Ask, code: int, t: int = 150) -> dict[str, Any]:
    told = {"sentence": "database is away"}
    return {"kind": "answer", "t": t, "name": fault.name, "code": code, "told": told}


@pytest.mark.parametrize("code", [YES, NO])
def test_yes_and_no_are_answers(code: int):
    history = requested(FIRST, answer(FIRST, code))

    assert FIRST.is_observed(history)
    assert FIRST.failure(history) is None


def test_who_cannot_tell_has_not_answered():
    history = requested(FIRST, answer(FIRST, CANNOT_TELL))

    assert not FIRST.is_observed(history)
    assert FIRST.failure(history) == "it cannot tell: database is away"


def test_the_answer_to_another_question_is_none():
    again = Ask(FIRST.arguments, attempt=2)

    assert again.name != FIRST.name
    assert not again.is_observed(requested(again, answer(FIRST, YES)))
    assert not FIRST.is_observed(requested(FIRST, answer(FIRST, YES, t=50)))


def test_it_is_asked_and_nothing_is_taken_back():
    assert injected(FIRST) == [("ask", FIRST.name, FIRST.arguments)]
    assert recovered(FIRST) == []
    assert FIRST.undo() == {"nothing": FIRST.name}
