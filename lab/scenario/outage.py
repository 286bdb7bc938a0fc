"""When was the database away, by the looks that the observer took at it?

The observer asks all the time, so a look without an answer is seen, and so is that there was
none. It was lost at some time between the last answer and the first look without one, and was
back some time before the next answer: that is how uncertain these moments are.
"""

from dataclasses import dataclass

from lab.scenario.evidence import MissingEvidence, Window, phase_began
from lab.scenario.history import History
from lab.scenario.model import Moment

NEVER = "the database was never away"


@dataclass(frozen=True, slots=True)
class Outage:
    """In ns: `answered` last before it, unanswered first at `lost`, `unanswered` last, `back`.

    `back` is None while it had not come back when the run ended.
    """

    answered: int
    lost: int
    unanswered: int
    back: int | None

    def window(self) -> Window:
        """Return the time in which it was away for certain. Raises MissingEvidence."""
        if self.back is None:
            raise MissingEvidence("the database did not come back")
        return Window(self.lost, self.unanswered)


def find(history: History) -> Outage | None:
    """Return the first outage while it counted; None where every look was answered.

    Raises MissingEvidence where nobody looked.
    """
    begin = phase_began(history, "run")
    looks = sorted(history.of("db"), key=lambda look: int(look["t"]))
    counted = [look for look in looks if look["t"] >= begin]
    if not counted:
        raise MissingEvidence("nobody looked at the database")
    lost = next((n for n, look in enumerate(counted) if look.get("error")), None)
    if lost is None:
        return None
    back = next((n for n in range(lost, len(counted)) if not counted[n].get("error")), None)
    last = len(counted) - 1 if back is None else back - 1
    return Outage(
        answered=counted[lost - 1]["t"] if lost else begin,
        lost=counted[lost]["t"],
        unanswered=counted[last]["t"],
        back=None if back is None else counted[back]["t"],
    )


def lost() -> Moment:
    return Moment(
        "the loss of the database",
        lambda history: _found(history).lost,
        lambda history: _found(history).lost - _found(history).answered,
    )


def back() -> Moment:
    """The first look that was answered again."""
    return Moment(
        "the return of the database",
        lambda history: _back(_found(history)),
        lambda history: _back(_found(history)) - _found(history).unanswered,
    )


def _found(history: History) -> Outage:
    found = history.derive(find)
    if found is None:
        raise MissingEvidence(NEVER)
    return found


def _back(outage: Outage) -> int:
    if outage.back is None:
        raise MissingEvidence("the database did not come back")
    return outage.back
