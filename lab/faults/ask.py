"""Ask before doing: what the service's own program says to an operator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from lab.faults.effect import after_request
from lab.scenario.events import Event
from lab.scenario.history import History
from lab.scenario.needs import Need

YES, NO, CANNOT_TELL = 0, 1, 2
"""Exit codes of `chirps migrate`."""


class CanAsk(Protocol):
    """A stage on which an operator's question can be asked."""

    def ask(self, name: str, arguments: Sequence[str]) -> None:
        """Run `chirps migrate <arguments>` and tell an event `answer` of that name.

        Raises LabError when nobody answered at all.
        """
        ...


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask `chirps migrate <arguments>`. It changes nothing, whatever the answer is.

    The same question a second time is another `attempt`.
    """

    needs: ClassVar[tuple[Need, ...]] = (Need.OPERATOR,)

    arguments: tuple[str, ...]
    attempt: int = 1

    @property
    def name(self) -> str:
        again = f" (attempt {self.attempt})" if self.attempt > 1 else ""
        return f"ask {self.arguments[0]}{again}"

    @property
    def lasting(self) -> bool:
        return False

    def describe(self) -> str:
        return f"ask chirps migrate {' '.join(self.arguments)}"

    def undo(self) -> Mapping[str, Any]:
        return {"nothing": self.name}

    def inject(self, stage: CanAsk) -> None:
        stage.ask(self.name, self.arguments)

    def is_observed(self, history: History) -> bool:
        """A yes or a no was told."""
        answer = self.answer(history)
        return answer is not None and answer["code"] in (YES, NO)

    def failure(self, history: History) -> str | None:
        answer = self.answer(history)
        if answer is None or answer["code"] in (YES, NO):
            return None
        return f"it cannot tell: {answer['told'].get('sentence', '')}"

    def recover(self, stage: CanAsk) -> None:
        """A question leaves nothing."""

    def answer(self, history: History) -> Event | None:
        """Return what was answered: `code`, and what the program told as JSON."""
        told = after_request(history, self.name, "answer")
        return next((event for event in told if event["name"] == self.name), None)
