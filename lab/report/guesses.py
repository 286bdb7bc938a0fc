"""What did the room say would happen, and what happened?

Whoever has said a number aloud looks at the answer with other eyes. The questions are the same for
every scenario, so that the answers follow from what was measured alone.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lab.errors import InvalidValue
from lab.report import words
from lab.report.telling import LedgerView
from lab.report.traffic import Band, Traffic

YES, NO = "yes", "no"

Guess = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """`most` None: it is answered by yes or no, otherwise by a number from 0 to `most`."""

    name: str
    text: str
    unit: str
    most: int | None


QUESTIONS = (
    Question("worst", "In the worst second, how many of 100 requests fail?", "%", 100),
    Question("lasts", "For how many seconds do users see errors?", "s", 3_600),
    Question("woken", "Is anybody woken?", "", None),
)


def read(told: object) -> dict[str, Any]:
    """Return the answers in `told`; what was left open is left out. Raises InvalidValue."""
    if not isinstance(told, dict):
        raise InvalidValue("a guess is an object with an answer to each question")
    answers = {}
    for question in QUESTIONS:
        given = told.get(question.name)
        if given not in (None, ""):
            answers[question.name] = _answer(question, given)
    return answers


def _answer(question: Question, given: object) -> float | str:
    if question.most is None:
        if given in (YES, NO):
            return str(given)
        raise InvalidValue(f"{given!r} is no answer to {question.text!r}: yes or no")
    # In Python a bool is an int.
    number = None if isinstance(given, bool) or not isinstance(given, int | float) else given
    if number is not None and 0 <= number <= question.most:
        return number
    raise InvalidValue(f"{given!r} is no answer to {question.text!r}: 0 to {question.most}")


def measured(traffic: Traffic, ledger: LedgerView | None) -> dict[str, Any]:
    """Return the answers that the run gave; `woken` is missing where it was not judged."""
    failed = [sum(column) for column in _columns(b for b in traffic.bands if b.failed)]
    sent = [sum(column) for column in _columns(traffic.bands)]
    failing = [at for at, count in enumerate(failed) if count]
    shares = [failed[at] / sent[at] for at in failing]
    answers: dict[str, Any] = {
        "worst": round(100 * max(shares, default=0.0)),
        "lasts": failing[-1] - failing[0] + 1 if failing else 0,
    }
    if ledger is not None:
        answers["woken"] = YES if ledger.is_woken else NO
    return answers


def _columns(bands: Iterable[Band]) -> Iterator[tuple[int, ...]]:
    return zip(*(band.counts for band in bands), strict=True)


def table(guess: Guess, found: Guess) -> list[list[str]]:
    """Return header and rows: question, the room's answer, what was measured, how near it was."""
    rows = [["question", "the room", "measured", "how near"]]
    for each in QUESTIONS:
        said, was = guess.get(each.name), found.get(each.name)
        rows.append([each.text, _told(said, each.unit), _told(was, each.unit), _near(said, was)])
    return rows


def compared(told: object, found: Guess) -> list[list[str]]:
    """Return the table of a stored guess; none where none was stored, or it is damaged."""
    try:
        guess = read(told) if told is not None else {}
    except InvalidValue:
        return []
    return table(guess, found) if guess else []


def _told(answer: Any, unit: str) -> str:
    return f"{words.anything(answer)} {unit if answer is not None else ''}".strip()


def _near(said: Any, was: Any) -> str:
    if said is None or was is None:
        return ""
    if isinstance(said, str):
        return "right" if said == was else "the other way"
    off = said - was
    if abs(off) <= max(0.1 * abs(was), 1):
        return "right"
    return f"{words.number(abs(off))} too {'high' if off > 0 else 'low'}"
