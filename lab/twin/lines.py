"""Tell what is there in the lines that `lab.observer.watch` writes of a cluster.

A line is written when something changed that it tells. `describe` is for this program what
`lab.observer.watch.describe` is for objects of the API; a test holds one against the other.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lab.twin.conditions import Condition
from lab.twin.deployment import Deployment
from lab.twin.jobs import Job
from lab.twin.pods import COMPLETED, ERROR, Pod
from lab.twin.prober import LOOPBACK
from lab.twin.replicaset import ReplicaSet

Line = dict[str, Any]
Write = Callable[[Mapping[str, Any]], None]

APP, MIGRATE = "chirps", "migrate"
STREAM = "twin"
RESOURCES = ("pods", "replicasets", "deployments", "endpointslices", "events", "jobs")
LISTED, ADDED, MODIFIED, DELETED = "LISTED", "ADDED", "MODIFIED", "DELETED"


def pod(found: Pod) -> Line:
    return {
        "name": found.name,
        "uid": found.identity.uid,
        "app": APP,
        "release": found.identity.release,
        "node": found.identity.node,
        "phase": found.phase,
        "ready": found.ready,
        "terminating": found.terminating,
        "restarts": found.restarts,
        "reason": found.reason,
    }


def pod_of_job(found: Job) -> Line:
    phases: Mapping[int | None, tuple[str, str | None]]
    phases = {None: ("Running", None), 0: ("Succeeded", COMPLETED)}
    phase, reason = phases.get(found.exit_code, ("Failed", ERROR))
    return {
        "name": found.pod,
        "uid": found.pod_uid,
        "app": MIGRATE,
        "release": found.release,
        "node": found.node,
        "phase": phase,
        "ready": found.exit_code is None,
        "terminating": False,
        "restarts": 0,
        "reason": reason,
    }


def replicaset(found: ReplicaSet, pods: Sequence[Pod], *, min_ready_s: float, now: float) -> Line:
    own = [each for each in pods if each.identity.owner == found.name and not each.terminating]
    since = [each.ready_since for each in own if each.ready_since is not None]
    return {
        "name": found.name,
        "release": found.template.release,
        "replicas": len(own),
        "ready": len(since),
        "available": sum(each + min_ready_s <= now for each in since),
    }


def deployment(found: Deployment) -> Line:
    status = found.status
    conditions = [each for each in (found.available, found.progressing) if each]
    return {
        "name": found.name,
        "release": found.spec.template.release,
        "replicas": status.replicas,
        "updated": status.updated,
        "ready": status.ready,
        "available": status.available,
        "unavailable": status.unavailable,
        "generation": found.generation,
        "observed": found.observed,
        "paused": found.spec.paused,
        "conditions": [_condition(each) for each in conditions],
    }


def _condition(found: Condition) -> Line:
    names = ("type", "status", "reason", "message")
    return {name: getattr(found, name) for name in names}


def job(found: Job) -> Line:
    return {
        "name": found.name,
        "active": found.active,
        "succeeded": found.succeeded,
        "failed": found.failed,
        "conditions": [
            {"type": each.type, "status": "True", "reason": each.reason, "message": each.message}
            for each in found.conditions
        ],
    }


def endpoints(pods: Iterable[Pod]) -> Line:
    """Each pod that has an address: ready means Ready and not terminating.

    https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#conditions
    """
    found = [
        {
            "pod": each.name,
            "address": f"{LOOPBACK}:{each.port}",
            "node": each.identity.node,
            "ready": each.ready and not each.terminating,
            "serving": each.ready,
            "terminating": each.terminating,
        }
        for each in pods
        if each.port is not None
    ]
    found.sort(key=lambda each: (str(each["pod"]), str(each["address"])))
    return {"service": APP, "endpoints": found}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All there is at one moment: lines by kind and uid, without their time."""

    pods: Mapping[str, Line] = field(default_factory=dict)
    sets: Mapping[str, Line] = field(default_factory=dict)
    deployments: Mapping[str, Line] = field(default_factory=dict)
    jobs: Mapping[str, Line] = field(default_factory=dict)
    endpoints: Line = field(default_factory=lambda: {"service": APP, "endpoints": []})


class Teller:
    """Writes what changed between one snapshot and the next, while a stream is open."""

    def __init__(self, write: Write, *, now: Callable[[], int] = time.monotonic_ns) -> None:
        self._write = write
        self._now = now
        self._told = Snapshot()
        self._lines: int | None = None

    @property
    def is_open(self) -> bool:
        return self._lines is not None

    def open(self, snapshot: Snapshot, *, run: str, instance: str) -> None:
        """Begin a stream with all there is; one that is open is ended first."""
        self.close()
        self._lines, self._told = 0, Snapshot(endpoints={})
        self._line("stream", {"stream": STREAM, "run": run, "instance": instance})
        self._tell(snapshot, new=LISTED)
        counts = (
            snapshot.pods,
            snapshot.sets,
            snapshot.deployments,
            snapshot.endpoints["endpoints"],
        )
        sizes = (*map(len, counts), 0, len(snapshot.jobs))
        for resource, size in zip(RESOURCES, sizes, strict=True):
            self._line("watch", {"resource": resource, "what": "listed", "detail": f"{size} at 0"})

    def close(self) -> None:
        """End the stream with a line that counts all its lines."""
        if self._lines is not None:
            self._line("closed", {"stream": STREAM, "lines": self._lines + 1})
            self._lines = None

    def tell(self, snapshot: Snapshot) -> None:
        if self.is_open:
            self._tell(snapshot, new=ADDED)

    def event(self, kind: str, reason: str, about: str, message: str, count: int) -> None:
        if self.is_open:
            about_it = {"type": kind, "reason": reason, "object": about}
            self._line("event", {**about_it, "message": message, "count": count})

    def tick(self, t: int, lag_max_ms: float) -> None:
        """Say that the world was awake until `t` in ns, and how late it was at worst."""
        if self._lines is not None:
            self._lines += 1
            self._write({"kind": "tick", "t": t, "stream": STREAM, "lag_max_ms": lag_max_ms})

    def _tell(self, snapshot: Snapshot, *, new: str) -> None:
        # Pods before endpoints: who reads of an endpoint knows the release of its pod.
        self._changes("pod", self._told.pods, snapshot.pods, new)
        self._changes("replicaset", self._told.sets, snapshot.sets, new)
        self._changes("deployment", self._told.deployments, snapshot.deployments, new)
        if snapshot.endpoints != self._told.endpoints:
            self._line("endpoints", snapshot.endpoints)
        self._changes("job", self._told.jobs, snapshot.jobs, new)
        self._told = snapshot

    def _changes(
        self, kind: str, before: Mapping[str, Line], after: Mapping[str, Line], new: str
    ) -> None:
        typed = kind == "pod"
        for uid, line in before.items():
            if uid not in after:
                # Its containers have ended by then.
                gone = (
                    {"type": DELETED, **line, "ready": False}
                    if typed
                    else {"deleted": True, **line}
                )
                self._line(kind, gone)
        for uid, line in after.items():
            if before.get(uid) != line:
                change = MODIFIED if uid in before else new
                self._line(kind, {**({"type": change} if typed else {"deleted": False}), **line})

    def _line(self, kind: str, line: Mapping[str, Any]) -> None:
        assert self._lines is not None
        self._lines += 1
        self._write({"kind": kind, "t": self._now(), **line})
