"""Which lines follow from what the API server says of one kind of object?

A line is written when something changed that it tells; the API server says far more often
that an object changed. What a list no longer has was deleted while nobody watched.
"""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from lab.observer.watch import describe
from lab.observer.watch.describe import Line, Object

LISTED = "LISTED"
DELETED = "DELETED"


class Tracker(Protocol):
    """What is known of one kind of object; both methods return lines without their time."""

    def listed(self, found: Iterable[Object]) -> list[Line]: ...

    def changed(self, change: str, found: Object) -> list[Line]: ...


class Objects:
    """Pods, ReplicaSets, Deployments, nodes and Jobs: the latest state of each.

    Pods say in `type` how they changed; the others only whether they are `deleted`.
    """

    def __init__(self, kind: str, tell: Callable[[Object], Line], *, typed: bool = False) -> None:
        self._kind = kind
        self._tell = tell
        self._typed = typed
        self._known: dict[str, Line] = {}

    def listed(self, found: Iterable[Object]) -> list[Line]:
        present = {_uid(each): each for each in found}
        gone = [self._line(DELETED, self._known.pop(u)) for u in set(self._known) - set(present)]
        return [*gone, *(line for each in present.values() for line in self.changed(LISTED, each))]

    def changed(self, change: str, found: Object) -> list[Line]:
        told = self._tell(found)
        if change == DELETED:
            self._known.pop(_uid(found), None)
            return [self._line(change, told)]
        if self._known.get(_uid(found)) == told:
            return []
        self._known[_uid(found)] = told
        return [self._line(change, told)]

    def _line(self, change: str, told: Line) -> Line:
        how: Line = {"type": change} if self._typed else {"deleted": change == DELETED}
        return {"kind": self._kind, **how, **told}


class Endpoints:
    """The endpoints of one Service, of all its slices together, after each change."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._slices: dict[str, list[Line]] = {}
        self._told: list[Line] | None = None

    def listed(self, found: Iterable[Object]) -> list[Line]:
        self._slices = {_uid(each): describe.endpoints(each) for each in found}
        return self._lines()

    def changed(self, change: str, found: Object) -> list[Line]:
        if change == DELETED:
            self._slices.pop(_uid(found), None)
        else:
            self._slices[_uid(found)] = describe.endpoints(found)
        return self._lines()

    def _lines(self) -> list[Line]:
        found = [each for slice_ in self._slices.values() for each in slice_]
        found.sort(key=lambda each: (str(each["pod"]), str(each["address"])))
        if found == self._told:
            return []
        self._told = found
        return [{"kind": "endpoints", "service": self._service, "endpoints": found}]


class Events:
    """Events that happen while we watch; those of before the run are of no interest."""

    def __init__(self) -> None:
        self._known: set[tuple[str, str]] | None = None

    def listed(self, found: Iterable[Object]) -> list[Line]:
        objects = list(found)
        if self._known is None:
            self._known = {_version(each) for each in objects}
            return []
        return [line for each in objects for line in self.changed(LISTED, each)]

    def changed(self, change: str, found: Object) -> list[Line]:
        known = self._known = self._known if self._known is not None else set()
        # An event is deleted when it is an hour old.
        if change == DELETED or _version(found) in known:
            return []
        known.add(_version(found))
        return [{"kind": "event", **describe.event(found)}]


def _uid(found: Object) -> str:
    uid: str = found["metadata"]["uid"]
    return uid


def _version(found: Object) -> tuple[str, str]:
    metadata: Any = found["metadata"]
    return metadata["uid"], metadata["resourceVersion"]
