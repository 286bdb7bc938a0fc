"""A stage that plays on fake time: a small model of a cluster with traffic.

Pods are replaced one by one, new connections meet any ready pod, kept ones stay with
theirs, and a release fails where it names a column that the schema does not have. It
knows no scenario, so what a scenario predicts of it is a real prediction.
"""

import heapq
import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lab.errors import ClusterUnreachable
from lab.scenario.events import NS, Event
from lab.scenario.load import CHIRP_ENDPOINTS, Invariant, Load
from lab.scenario.model import Start
from lab.scenario.tape import Clock
from tests.scenario.histories import SESSION, WATCHED

Line = dict[str, Any]

NEEDS = {"v1": {"body"}, "v1b": {"body"}, "v2-naive": {"content"}, "v2": {"body", "content"}}
COLUMNS = {
    ("rename-careless", 6): {"content"},
    ("rename-careful", 6): {"body", "content"},
    ("rename-careful", 7): {"body", "content"},
    ("rename-control", 6): {"body"},
}
STREAMS = ("load", "cluster", "database")
NAMING_A_COLUMN = (*CHIRP_ENDPOINTS, "read_back")
LAG_NS = 300_000
SERVICE_NS = 4_000_000


class FakeTime:
    """Time that passes only when somebody waits."""

    def __init__(self) -> None:
        self.ns = 1_000 * NS
        self.on_pause: Callable[[], None] = lambda: None

    def pause(self, seconds: float) -> None:
        self.ns += round(seconds * NS)
        self.on_pause()

    def clock(self) -> Clock:
        return Clock(monotonic=lambda: self.ns / NS, pause=self.pause)


@dataclass
class Pod:
    name: str
    release: str
    ready: bool = False
    terminating: bool = False


@dataclass
class SimulatedStage:
    """Implements Stage, and the capabilities of the faults."""

    time: FakeTime
    rate: float = 60
    replicas: int = 4
    startup_s: float = 2.0
    min_ready_s: float = 5.0
    terminating_s: float = 6.0
    migration_s: float = 3.0
    migration_fails: bool = False
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    trouble: Callable[[], None] = lambda: None
    audits: bool = True
    profile: Mapping[str, Any] = field(default_factory=lambda: {"reset_command": "sudo lab reset"})

    def __post_init__(self) -> None:
        self.facts: Mapping[str, Any] = {}
        self.columns = {"body"}
        self.pods: list[Pod] = []
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._out: list[Line] = []
        self._written: dict[str, int] = {}
        self._chance = random.Random(1)
        self._connections: dict[int, tuple[int, Pod]] = {}
        self._guests = random.Random(2)
        self._visits = 0
        self._sent = 0
        self._creates: list[Line] = []
        self._start: int | None = None
        self._stopped: int | None = None

    # What the engine asks.

    def reset(self, start: Start) -> None:
        self.asked.append(("reset",))
        self.facts = {"stage": "simulated", "clock": "fake", "replicas": self.replicas}
        self.facts = {**self.facts, "load": {"rate": self.rate}, **self.profile}
        self.pods = [Pod(f"v1-{n}", "v1", ready=True) for n in range(self.replicas)]
        self.time.ns += 5 * NS

    def start(self, run: str, load: Load) -> None:
        self.asked.append(("start",))
        self._load = load
        self._start = self.time.ns
        for name in STREAMS:
            self._write("stream", stream=name, run=run, instance="i")
        for resource in WATCHED:
            self._write("watch", resource=resource, what="listed", detail="")
        for pod in self.pods:
            self._tell_pod(pod, "LISTED")
        self._tell_endpoints()
        self._tell_deployment("v1", updated=self.replicas)
        self._write("schema", bound=500_000, version=5, floor=1, seen=self.time.ns)
        self._later(1, self._tell_health)
        self._later(0, self._visit)

    def now(self) -> int:
        return self.time.ns

    def read(self) -> Sequence[Event]:
        self.trouble()
        self._advance()
        out, self._out = self._out, []
        return out

    def stop(self) -> None:
        self.asked.append(("stop",))
        self._advance()
        self._stopped = self.time.ns
        self._write_health()
        for name in STREAMS:
            self._close(name)

    def audit(self, invariants: Sequence[Invariant]) -> None:
        self.asked.append(("audit",))
        self._write("stream", stream="audit", run="r", instance="i")
        if not self.audits:
            return
        for create in self._creates:
            ok = create["chirp"] is not None
            told = {"ref": create["ref"], "chirp": 1, "acked": ok, "stored": int(ok)}
            release = self.pods[-1].release
            self._write("audit", **told, readable=ok or None, matches=ok or None, release=release)
        for invariant in invariants:
            self._write("invariant", name=invariant.name, value=invariant.expected, error=None)
        acked = sum(1 for create in self._creates if create["chirp"] is not None)
        counts = dict.fromkeys(("lost", "ambiguous", "duplicated", "unreadable", "unread"), 0)
        self._write("audit_done", acked=acked, stored=acked, **counts)
        self._close("audit")

    def close(self) -> None:
        self.asked.append(("close",))

    # What faults ask.

    def migrate(
        self,
        track: str,
        to: int | None,
        release: str,
        *,
        options: Sequence[str] = (),
        job: str = "",
    ) -> None:
        self.asked.append(("migrate", track, to, release))
        name = f"migrate-{track}-{to}"
        if self.migration_fails:
            failed = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}
            self._later(1, lambda: self._tell_job(name, failed=1, conditions=[failed]))
            return
        assert to is not None
        self._later(self.migration_s, lambda: self._commit(track, to))
        self._later(self.migration_s + 0.5, lambda: self._tell_job(name, succeeded=1))

    def clear_migration(self) -> None:
        self.asked.append(("clear_migration",))

    def set_image(self, release: str, variables: Mapping[str, str] | None = None) -> None:
        self.asked.append(("set_image", release))
        old = [pod for pod in self.pods if pod.release != release]
        self._later(0.2, lambda: self._tell_deployment(release, updated=0))
        step_s = self.startup_s + self.min_ready_s
        for number, pod in enumerate(old):
            new = Pod(f"{release}-{number}", release)
            begin = 0.3 + number * step_s
            self._later(begin, lambda new=new: self._add(new))
            self._later(begin + self.startup_s, lambda new=new: self._be_ready(new))
            self._later(
                begin + step_s, lambda p=pod, n=number: self._terminate(p, release, updated=n + 1)
            )
            self._later(begin + step_s + self.terminating_s, lambda p=pod: self._end(p))

    # The model.

    def _later(self, seconds: float, do: Callable[[], None]) -> None:
        at = self.time.ns + round(seconds * NS)
        heapq.heappush(self._due, (at, next(self._numbers), do))

    def _advance(self) -> None:
        """Let everything happen that is due until now, in its order."""
        until, self._at = self.time.ns, self.time.ns
        while self._due and self._due[0][0] <= until:
            at, _, do = heapq.heappop(self._due)
            self._send_until(at)
            # What happens in the past is told with its own time.
            self.time.ns = at
            do()
            self.time.ns = until
        self._send_until(until)

    def _send_until(self, until: int) -> None:
        while self._start is not None and self._stopped is None:
            due = self._start + round(self._sent * NS / self.rate)
            if due + SERVICE_NS > until:
                return
            self._send(due)

    def _send(self, due: int) -> None:
        load, chance = self._load, self._chance
        endpoint = chance.choices(list(load.mix), list(load.mix.values()))[0]
        kept, slot = chance.random() < load.keepalive_share, chance.randrange(8)
        known = self._connections.get(slot) if kept else None
        reused = known is not None and known[1] in self.pods
        if known is not None and reused:
            conn, pod = known
        else:
            conn, pod = self._sent, chance.choice([p for p in self.pods if p.ready])
        if kept:
            self._connections[slot] = (conn, pod)
        missing = self._missing(pod, endpoint)
        line = {
            "t": due, "seq": self._sent, "stream": "keepalive" if kept else "fresh",
            "endpoint": endpoint, "sent": due + LAG_NS, "connected": due + LAG_NS,
            "first": due + SERVICE_NS, "done": due + SERVICE_NS, "node": "n3",
            "outcome": "http_5xx" if missing else "ok",
            "status": 500 if missing else 201 if endpoint == "create_chirp" else 200,
            "sqlstate": "42703" if missing else None, "release": pod.release, "pod": pod.name,
            "conn": conn, "reused": reused,
        }  # fmt: skip
        if endpoint == "create_chirp":
            line |= {"ref": f"ref-{self._sent}", "chirp": None if missing else self._sent}
            self._creates.append(line)
        self._sent += 1
        self._write("request", **line)

    def _missing(self, pod: Pod, endpoint: str) -> set[str]:
        return NEEDS[pod.release] - self.columns if endpoint in NAMING_A_COLUMN else set()

    def _visit(self) -> None:
        """One user's session; answered at once, each step by any ready pod."""
        if self._stopped is not None:
            return
        self._later(1 / self._load.sessions_per_s, self._visit)
        steps: list[Line] = []
        for endpoint in SESSION:
            pod = self._guests.choice([p for p in self.pods if p.ready])
            missing = self._missing(pod, endpoint)
            steps.append({"endpoint": endpoint, "outcome": "http_5xx" if missing else "ok"})
            if missing:
                break
        posted = [step for step in steps if step["endpoint"] == "create_chirp"]
        post = {"ref": f"session-{self._visits}" if posted else None, "chirp": None}
        if posted and posted[0]["outcome"] == "ok":
            post["chirp"] = 1_000_000 + self._visits
        line = {"seq": self._visits, "done": self.time.ns, "steps": steps, **post}
        self._visits += 1
        self._creates += [line] if posted else []
        self._write("session", ok=steps[-1]["outcome"] == "ok", **line)

    def _commit(self, track: str, to: int) -> None:
        self.columns = COLUMNS[(track, to)]
        self._write("schema", bound=500_000, version=to, floor=1, seen=self.time.ns)

    def _add(self, pod: Pod) -> None:
        self.pods.append(pod)
        self._tell_pod(pod, "ADDED")

    def _be_ready(self, pod: Pod) -> None:
        pod.ready = True
        self._tell_pod(pod, "MODIFIED")
        self._tell_endpoints()

    def _terminate(self, pod: Pod, release: str, *, updated: int) -> None:
        pod.ready, pod.terminating = False, True
        self._tell_pod(pod, "MODIFIED")
        self._tell_endpoints()
        self._tell_deployment(release, updated=updated)

    def _end(self, pod: Pod) -> None:
        self.pods.remove(pod)
        self._tell_pod(pod, "DELETED")
        self._tell_endpoints()

    # What is told.

    def _write(self, kind: str, **fields: Any) -> None:
        line = {"kind": kind, "t": self.time.ns, **fields}
        self._written["all"] = self._written.get("all", 0) + 1
        self._out.append(line)

    def _close(self, stream: str) -> None:
        # All lines are counted with the stream that is closed, as if it had held them.
        count = self._written.pop("all", 0) + 1
        self._out.append({"kind": "closed", "t": self.time.ns, "stream": stream, "lines": count})

    def _tell_health(self) -> None:
        if self._stopped is None:
            self._write_health()
            for stream in ("watch", "database"):
                self._write("tick", stream=stream, lag_max_ms=0.3)
            self._write("db", sent=self.time.ns, schema=5, floor=1, connections=8, sessions=[])
            self._later(1, self._tell_health)

    def _write_health(self) -> None:
        counts = {"planned": self._sent, "sent": self._sent, "done": self._sent, "in_flight": 0}
        lag = {"lag_p99_ms": 0.3, "lag_max_ms": 0.3, "cpu": 0.1}
        self._write("health", **counts, **lag, cap_reached=False)

    def _tell_pod(self, pod: Pod, kind: str) -> None:
        told = {"name": pod.name, "release": pod.release, "terminating": pod.terminating}
        self._write("pod", type=kind, ready=pod.ready and kind != "DELETED", restarts=0, **told)

    def _tell_endpoints(self) -> None:
        there = [
            {"pod": p.name, "ready": p.ready, "serving": True, "terminating": p.terminating}
            for p in self.pods
            if p.ready or p.terminating
        ]
        self._write("endpoints", service="chirps", endpoints=there)

    def _tell_deployment(self, release: str, *, updated: int) -> None:
        counts = {"replicas": self.replicas, "updated": updated, "available": self.replicas}
        seen = {"generation": 1, "observed": 1, "conditions": []}
        self._write("deployment", name="chirps", release=release, **counts, **seen)

    def _tell_job(self, name: str, **told: Any) -> None:
        given = {"active": 0, "succeeded": 0, "failed": 0, "conditions": []}
        self._write("job", name=name, **(given | told))


class UndoLog:
    """In memory: what is open, and what was asked in which order."""

    def __init__(self, asked: list[tuple[Any, ...]]) -> None:
        self.open: dict[int, str] = {}
        self._asked = asked

    def intend(self, fault: str, undo: Mapping[str, Any]) -> int:
        entry = len(self._asked)
        self.open[entry] = fault
        self._asked.append(("intend", fault))
        return entry

    def undone(self, entry: int) -> None:
        self._asked.append(("undone", self.open.pop(entry)))


def away(seconds: float, time: FakeTime, *, after_s: float) -> Callable[[], None]:
    """Trouble: from `after_s` on, no way leads to the observer for so many seconds."""
    begin = time.ns + round(after_s * NS)

    def trouble() -> None:
        if begin <= time.ns < begin + seconds * NS:
            raise ClusterUnreachable("no route")

    return trouble
