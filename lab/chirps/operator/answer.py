"""What does a question of an operator return?"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from lab.chirps.errors import EXIT_CANNOT_TELL, EXIT_REFUSED


class Says(StrEnum):
    YES = "yes"
    NO = "no"
    CANNOT_TELL = "cannot tell"

    @property
    def exit_code(self) -> int:
        return {Says.YES: 0, Says.NO: EXIT_REFUSED, Says.CANNOT_TELL: EXIT_CANNOT_TELL}[self]


@dataclass(frozen=True, slots=True)
class Answer:
    """`sentence` is the answer in one line, `lines` are the details below it, `next_steps` what
    to type now, `facts` what a program reads."""

    says: Says
    sentence: str
    lines: tuple[str, ...] = ()
    next_steps: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        return self.says.exit_code

    def as_json(self) -> dict[str, Any]:
        return {
            "answer": str(self.says),
            "sentence": self.sentence,
            "next": list(self.next_steps),
            **self.facts,
        }

    def as_text(self) -> str:
        steps = ("next:", *(f"  {step}" for step in self.next_steps)) if self.next_steps else ()
        return "\n".join((f"{self.says}: {self.sentence}", *self.lines, *steps))


@dataclass(frozen=True, slots=True)
class Told:
    """What a command did, for which yes or no is not the word."""

    exit_code: int
    json: Mapping[str, Any]
    text: str

    def as_json(self) -> Mapping[str, Any]:
        return self.json

    def as_text(self) -> str:
        return self.text


def worst(answers: list[Says]) -> Says:
    """A no stays a no, whatever else could not be told."""
    for says in (Says.NO, Says.CANNOT_TELL):
        if says in answers:
            return says
    return Says.YES
