"""When did what was done begin to have an effect, and when was it over? By what was seen.

Moments of faults; those of releases and of the schema are in `lab.scenario.moments`.
"""

from lab.scenario.evidence import MissingEvidence
from lab.scenario.history import History
from lab.scenario.model import Moment
from lab.scenario.stage import Fault


def took_effect(fault: Fault) -> Moment:
    """When the effect of the fault had been seen; the effect itself came a moment before."""
    return Moment(
        f"{fault.name!r} has taken effect", lambda h: _took_effect(h, fault.name), lambda _h: 0
    )


def _took_effect(history: History, fault: str) -> int:
    event = history.last("fault", name=fault, what="observed")
    if event is None:
        raise MissingEvidence(f"no effect of {fault!r} was seen")
    return int(event["t"])


def session_gone(application: str) -> Moment:
    """When the session of that application_name ended, by the samples of the database.

    In the middle of the time between the last sample that has it and the next one that was
    answered; the bound is half of that time.
    """
    return Moment(
        f"the end of session {application}",
        lambda history: sum(_around_the_end(history, application)) // 2,
        lambda history: _half(*_around_the_end(history, application)),
    )


def _around_the_end(history: History, application: str) -> tuple[int, int]:
    """Return the times of the last sample with the session, and of the first without it."""
    last: int | None = None
    first_without: int | None = None
    for sample in history.of("db"):
        # One that was not answered says nothing about sessions.
        found = sample.get("sessions")
        if found is None:
            continue
        if any(session["application"] == application for session in found):
            last, first_without = sample["t"], None
        elif last is not None and first_without is None:
            first_without = sample["t"]
    if last is None or first_without is None:
        raise MissingEvidence(f"the end of session {application} was not seen")
    return last, first_without


def _half(begin: int, end: int) -> int:
    return (end - begin + 1) // 2
