"""From when to when was something so? Spells that were observed, or that never came.

That a spell never came was seen, and is an answer; that nobody looked raises MissingEvidence.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lab.scenario import outage, reach
from lab.scenario.evidence import Window, verdict_window
from lab.scenario.history import History


@dataclass(frozen=True, slots=True)
class Spell:
    """`find` returns each time in which it was so, within what is judged, the earliest first.

    Raises MissingEvidence where nobody looked.
    """

    sentence: str
    find: Callable[[History], tuple[Window, ...]]


def no_endpoint_ready() -> Spell:
    """Every new connection is turned away."""
    return Spell("no endpoint is ready", lambda history: tuple(_none_ready(history)))


def database_away() -> Spell:
    return Spell("the database is away", _away)


def database_away_and_nobody_back() -> Spell:
    """The database is away, or pods that left because of it have not come back yet."""

    def find(history: History) -> tuple[Window, ...]:
        return tuple(
            Window(away.begin, max([away.end, *_ends_in_one_go(history, away)]))
            for away in _away(history)
        )

    return Spell("the database is away, or no pod is back", find)


def _ends_in_one_go(history: History, away: Window) -> Iterator[int]:
    """Yield when endpoints were ready again that had gone while it was away."""
    return (alone.end for alone in _none_ready(history) if alone.begin in away)


def _away(history: History) -> tuple[Window, ...]:
    found = history.derive(outage.find)
    return () if found is None else (Window(found.lost, outage.back().at(history)),)


def _none_ready(history: History) -> Iterator[Window]:
    window, changes = verdict_window(history), reach.reaches(history)
    first = reach.at(changes, window.begin)
    known = [(window.begin, first), *((each.t, each) for each in changes if each.t in window)]
    ends = [t for t, _ in known[1:]] + [window.end]
    for (begin, there), end in zip(known, ends, strict=True):
        if not there.ready:
            yield Window(begin, end)
