"""When did it happen, by what was seen? Never by when it was asked for.

A moment carries how uncertain it is: the clock of the database, for example, is mapped
to the observer's with a bound that was measured.
"""

from lab.scenario import reach
from lab.scenario.events import Event
from lab.scenario.evidence import MissingEvidence, phase_began, requested
from lab.scenario.history import History
from lab.scenario.model import Moment
from lab.scenario.stage import Fault


def committed(version: int) -> Moment:
    """The commit of the migration that brought the schema to `version`."""
    return Moment(
        f"the commit of schema version {version}",
        lambda history: int(_commit(history, version)["t"]),
        lambda history: int(_commit(history, version)["bound"]),
    )


def _commit(history: History, version: int) -> Event:
    begin = phase_began(history, "run")
    for event in history.of("schema"):
        # The versions of the start state are told too, with the times of their own commits.
        if event["version"] == version and event["t"] + event["bound"] >= begin:
            return event
    raise MissingEvidence(f"the commit of schema version {version} was not seen")


def first_ready(release: str) -> Moment:
    """The first pod of `release` that is Ready, and so receives traffic."""
    return Moment(f"the first ready pod of {release}", lambda h: _first_ready(h, release), _none)


def _first_ready(history: History, release: str) -> int:
    times = [e["t"] for e in history.of("pod") if e["release"] == release and e["ready"]]
    if not times:
        raise MissingEvidence(f"no pod of {release} was seen ready")
    return int(min(times))


def last_ready_endpoint_gone(release: str) -> Moment:
    """From here on no new connection may meet `release`."""
    return Moment(
        f"the last ready endpoint of {release} gone",
        lambda history: reach.gone(history, release, ready=True),
        _none,
    )


def last_endpoint_gone(release: str) -> Moment:
    """From here on no connection at all may meet `release`: its last pod has ended."""
    return Moment(
        f"the last endpoint of {release} gone",
        lambda history: reach.gone(history, release, ready=False),
        _none,
    )


def first_ready_endpoint(release: str) -> Moment:
    """From here on a new connection may meet `release`.

    Not the same as a pod that is Ready: that of a migration's Job is Ready while it runs, and
    has the release's name.
    """

    def at(history: History) -> int:
        for each in reach.reaches(history):
            if release in each.ready:
                return each.t
        raise MissingEvidence(f"no ready endpoint of {release} was seen")

    return Moment(f"the first ready endpoint of {release}", at, _none)


def no_ready_endpoint() -> Moment:
    """From here on every new connection is turned away, at least for a while."""

    def at(history: History) -> int:
        begin = phase_began(history, "run")
        for each in reach.reaches(history):
            if each.t >= begin and not each.ready:
                return each.t
        raise MissingEvidence("some endpoint was ready all the time")

    return Moment("no endpoint is ready any more", at, _none)


def injected(fault: Fault) -> Moment:
    """When the fault was asked for, by the engine's own clock; its effect comes later."""

    def at(history: History) -> int:
        asked = requested(history, fault.name)
        if asked is None:
            raise MissingEvidence(f"{fault.name} was not injected")
        return asked

    return Moment(f"the request to {fault.name}", at, _none)


def _none(_history: History) -> int:
    # Seen by the observer itself, on the clock that requests are timed with.
    return 0
