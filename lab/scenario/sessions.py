"""Who is connected to the database? The one who would feel a change knows who is there.

The service names each session chirps/<release>/<pod>, so samples of the database tell pods
that nobody else knows of any more.
"""

from bisect import bisect_right

from lab.scenario.events import Event
from lab.scenario.evidence import MissingEvidence, Window
from lab.scenario.history import History

PROGRAM = "chirps"


def pods_of(sample: Event, release: str) -> frozenset[str]:
    """Return the pods of `release` that have a session in this sample."""
    names = (session["application"].split("/") for session in sample.get("sessions", ()))
    return frozenset(name[2] for name in names if len(name) == 3 and name[:2] == [PROGRAM, release])


def around(history: History, at: int) -> tuple[Event, Event]:
    """Return the last sample that was begun before `at`, and the first one after it.

    Raises MissingEvidence where nobody looked, or the database did not answer.
    """
    samples = _answered(history)
    following = bisect_right(samples, at, key=lambda sample: int(sample["sent"]))
    if not 0 < following < len(samples):
        raise MissingEvidence("the database was not looked at before and after")
    return samples[following - 1], samples[following]


def within(history: History, window: Window) -> tuple[Event, ...]:
    """Return the answered samples that were begun in `window`."""
    return tuple(sample for sample in _answered(history) if sample["sent"] in window)


def _answered(history: History) -> list[Event]:
    answered = (sample for sample in history.of("db") if not sample.get("error"))
    return sorted(answered, key=lambda sample: int(sample["sent"]))
