"""Lines of a history as faults read them, and a stage that remembers what was asked of it."""

from collections.abc import Callable
from typing import Any

from lab.scenario.history import History
from lab.scenario.stage import Fault

Line = dict[str, Any]


class Recorder:
    """A stage that can do everything, and does nothing."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        def note(*arguments: Any, **options: Any) -> None:
            self.asked.append((name, *arguments, *options.items()))

        return note


def injected(fault: Fault) -> list[tuple[Any, ...]]:
    stage = Recorder()
    fault.inject(stage)
    return stage.asked


def recovered(fault: Fault) -> list[tuple[Any, ...]]:
    stage = Recorder()
    fault.recover(stage)
    return stage.asked


def requested(fault: Fault, *events: Line, t: int = 100, facts: Line | None = None) -> History:
    """Return a history in which the fault was injected at `t`."""
    names = {"scenario": "s", "variant": "v"}
    run = {"kind": "run", "t": 0, **names, "load": {}, "facts": facts or {}}
    told = {"kind": "fault", "t": t, "name": fault.name, "what": "requested", "detail": ""}
    return History([run, told, *events])


def deployment(
    t: int,
    release: str = "v1",
    *,
    generation: int = 2,
    observed: int | None = None,
    replicas: int = 4,
    paused: bool = False,
) -> Line:
    return {
        "kind": "deployment",
        "t": t,
        "name": "chirps",
        "release": release,
        "replicas": replicas,
        "updated": 0,
        "available": replicas,
        "generation": generation,
        "observed": generation if observed is None else observed,
        "paused": paused,
        "conditions": [],
    }


def sample(t: int, application: str = "", state: str = "active") -> Line:
    """Return an answered sample of the database."""
    sessions = [{"application": application, "state": state, "count": 1}] if application else []
    return {"kind": "db", "t": t, "sessions": sessions}


def unanswered(t: int) -> Line:
    return {"kind": "db", "t": t, "error": "connection refused", "sqlstate": None}


def node(t: int, name: str, *, ready: bool) -> Line:
    return {"kind": "node", "t": t, "name": name, "ready": ready}


def endpoints(t: int, *ready: tuple[str, str]) -> Line:
    """Return an endpoints line with these ready (pod, node)."""
    found = [{"pod": pod, "node": where, "ready": True} for pod, where in ready]
    return {"kind": "endpoints", "t": t, "endpoints": found}
