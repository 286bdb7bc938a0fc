"""From when to when was something so? Spells that were observed, or that never came.

That a spell never came was seen, and is an answer; that nobody looked raises MissingEvidence.
"""

from collections.abc import Callable
from dataclasses import dataclass

from lab.scenario import outage, reach
from lab.scenario.evidence import Window, verdict_window
from lab.scenario.history import History


@dataclass(frozen=True, slots=True)
class Spell:
    """`find` returns when it was so first; None where it never was. Raises MissingEvidence."""

    sentence: str
    find: Callable[[History], Window | None]


def no_endpoint_ready() -> Spell:
    """Every new connection is turned away."""
    return Spell("no endpoint is ready", _none_ready)


def database_away() -> Spell:
    return Spell("the database is away", _away)


def database_away_and_nobody_back() -> Spell:
    """The database is away, or pods that left because of it have not come back yet."""

    def find(history: History) -> Window | None:
        away, alone = _away(history), _none_ready(history)
        if away is None or alone is None:
            return away
        return Window(away.begin, max(away.end, alone.end))

    return Spell("the database is away, or no pod is back", find)


def _away(history: History) -> Window | None:
    found = history.derive(outage.find)
    return None if found is None else Window(found.lost, outage.back().at(history))


def _none_ready(history: History) -> Window | None:
    window = verdict_window(history)
    changes = [each for each in reach.reaches(history) if each.t in window]
    begin = next((each.t for each in changes if not each.ready), None)
    if begin is None:
        return None
    end = next((each.t for each in changes if each.t > begin and each.ready), window.end)
    return Window(begin, end)
