"""Histories of rollouts that never happened, with known truth.

A small model of what a cluster does: pods come and go one by one, new connections meet
any ready pod, kept ones stay with theirs. Which requests fail is decided by `fails`, so
that a test knows what a verdict must say.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lab import content
from lab.scenario import loader
from lab.scenario.events import NS
from lab.scenario.history import History
from lab.scenario.load import CHIRP_ENDPOINTS
from lab.scenario.model import Scenario, Variant

Line = dict[str, Any]
Fails = Callable[[str, str], str | None]
"""Which SQLSTATE a release answers an endpoint with, once the schema was changed; None: ok."""

NEVER = 10**6
SESSION = ("page", "create_session", "list_chirps", "get_chirp", "create_chirp", "read_back")
WATCHED = (
    "pods",
    "replicasets",
    "deployments",
    "endpointslices",
    "events",
    "nodes",
    "jobs",
)


def half_migrated_rename() -> Scenario:
    return loader.load(content.folder("scenarios"), "half-migrated-rename").scenario


def failing(release: str, sqlstate: str = "42703") -> Fails:
    """All chirp endpoints of `release` fail."""
    return lambda by, endpoint: sqlstate if by == release and endpoint in CHIRP_ENDPOINTS else None


def nothing_fails(_release: str, _endpoint: str) -> str | None:
    return None


@dataclass(frozen=True)
class Pod:
    """One pod's life in seconds: ready from `ready`, terminating from `ends`, gone at `gone`."""

    name: str
    release: str
    ready: float
    ends: float
    gone: float


@dataclass(frozen=True)
class Rollout:
    """The truth: what the history that `history()` returns has seen."""

    scenario: Scenario
    variant: Variant
    new: str
    fails: Fails = nothing_fails
    versions: Sequence[tuple[int, float]] = ((6, 9.0),)
    old: str = "v1"
    replicas: int = 4
    start_s: float = 11.0
    ready_after_s: float = 3.0
    min_ready_s: float = 4.0
    terminates_s: float = 6.0
    rate: float = 40
    seed: int = 1
    baseline_ends_s: float = 6.0
    lag_ns: int = 200_000

    def pods(self) -> list[Pod]:
        pods = []
        for number in range(self.replicas):
            ready = self.start_s + self.ready_after_s
            ready += number * (self.ready_after_s + self.min_ready_s)
            ends = ready + self.min_ready_s
            pods.append(Pod(f"old-{number}", self.old, -10, ends, ends + self.terminates_s))
            pods.append(Pod(f"new-{number}", self.new, ready, NEVER, NEVER))
        return pods

    @property
    def changed_s(self) -> float:
        """When requests begin to fail: with the first version, else with the first new pod."""
        return self.versions[0][1] if self.versions else 0.0

    @property
    def complete_s(self) -> float:
        return max(pod.ends for pod in self.pods() if pod.release == self.old)

    @property
    def verify_s(self) -> float:
        last_version = max((at for _, at in self.versions), default=0.0)
        return max(self.complete_s + self.terminates_s, last_version) + 11

    def failed(self, stream: str) -> int:
        """Count what truly failed on a stream."""
        return sum(1 for r in self.requests() if r["stream"] == stream and r["outcome"] != "ok")

    def history(self) -> History:
        return History(self.events())

    def events(self) -> list[Line]:
        """Return all lines, by time, as a run would have written them."""
        requests, sessions = self.requests(), list(self._sessions())
        observed = [*self._streams(), *requests, *sessions, *self._health(), *self._ticks()]
        observed += [*self._pods(), *self._samples(), *self._schema()]
        observed += self._audit([*requests, *sessions])
        closed = [self._line("closed", self.verify_s + 3, stream=name, lines=0) for name in STREAMS]
        closed[0]["lines"] = len(observed) + len(closed)
        told = [*self._engine(), *observed, *closed]
        return sorted(told, key=lambda line: (line["t"], line["kind"] != "run"))

    def requests(self) -> list[Line]:
        return list(self._requests())

    def _line(self, kind: str, at_s: float, **fields: Any) -> Line:
        return {"kind": kind, "t": round(at_s * NS), **fields}

    def _engine(self) -> Iterator[Line]:
        load = {**self.scenario.load.to_json(), "rate": self.rate}
        names = {"scenario": self.scenario.name, "variant": self.variant.name}
        yield self._line("run", -1, **names, load=load, facts={"replicas": self.replicas})
        for name, at in (
            ("setup", -1),
            ("baseline", 0),
            ("run", self.baseline_ends_s),
            ("recover", self.verify_s - 10.5),
            ("settle", self.verify_s - 10.4),
            ("verify", self.verify_s),
            ("teardown", self.verify_s + 4),
        ):
            yield self._line("phase", at, name=name)
        for step in self.variant.timeline:
            at = self.baseline_ends_s
            yield self._line("step", at, name=step.name, what="due", detail="")
            if step.fault:
                told = {"name": step.fault.name, "step": step.name, "detail": ""}
                yield self._line("fault", at, what="requested", **told)
                yield self._line("fault", at + 1, what="observed", **told)

    def _streams(self) -> Iterator[Line]:
        for name in STREAMS:
            yield self._line("stream", -0.5, stream=name, run="r", instance="i")

    def _requests(self) -> Iterator[Line]:
        chance = random.Random(self.seed)
        pods = self.pods()
        load = self.scenario.load
        endpoints, weights = zip(*load.mix.items(), strict=True)
        connections: dict[int, tuple[int, Pod]] = {}
        conn = 0
        for seq in range(round(self.verify_s * self.rate)):
            at = seq / self.rate
            endpoint = chance.choices(endpoints, weights)[0]
            kept = chance.random() < load.keepalive_share
            slot = chance.randrange(load.keepalive_connections)
            known = connections.get(slot) if kept else None
            reused = known is not None and known[1].gone > at
            if known is not None and reused:
                number, pod = known
            else:
                conn += 1
                number, pod = conn, chance.choice([p for p in pods if p.ready <= at < p.ends])
            if kept:
                connections[slot] = (number, pod)
            stream = "keepalive" if kept else "fresh"
            yield self._request(seq, at, stream, endpoint, number, pod, reused)

    def _request(
        self, seq: int, at: float, stream: str, endpoint: str, conn: int, pod: Pod, reused: bool
    ) -> Line:
        sqlstate = self.fails(pod.release, endpoint) if at >= self.changed_s else None
        line = self._line("request", at, seq=seq, stream=stream, endpoint=endpoint)
        sent = line["t"] + self.lag_ns
        line |= {"sent": sent, "connected": sent, "first": sent, "done": sent + 5_000_000}
        line |= {"outcome": "http_5xx" if sqlstate else "ok"}
        line |= {"status": 500 if sqlstate else 201 if endpoint == "create_chirp" else 200}
        line |= {"sqlstate": sqlstate, "release": pod.release, "pod": pod.name, "node": "n3"}
        line |= {"conn": conn, "reused": reused}
        if endpoint == "create_chirp":
            line |= {"ref": f"ref-{seq}", "chirp": None if sqlstate else seq}
        return line

    def _health(self) -> Iterator[Line]:
        for second in range(1, round(self.verify_s) + 2):
            planned = min(round(second * self.rate), round(self.verify_s * self.rate))
            lag = {"lag_p99_ms": 1.0, "lag_max_ms": 2.0, "cpu": 0.2, "in_flight": 1}
            counts = {"planned": planned, "sent": planned, "done": planned, "cap_reached": False}
            yield self._line("health", second, **lag, **counts)

    def _ticks(self) -> Iterator[Line]:
        for second in range(1, round(self.verify_s) + 2):
            for stream in ("watch", "database"):
                yield self._line("tick", second, stream=stream, lag_max_ms=1.0)

    def _samples(self) -> Iterator[Line]:
        for half in range(2 * round(self.verify_s) + 2):
            told = {"schema": 5, "floor": 1, "connections": 8, "sessions": [], "blocked": 0}
            yield self._line("db", half / 2, sent=round(half / 2 * NS), **told)

    def _sessions(self) -> Iterator[Line]:
        chance, pods = random.Random(self.seed + 1), self.pods()
        for seq in range(2 * round(self.verify_s)):
            yield self._session(seq, seq / 2, pods, chance)

    def _session(self, seq: int, at: float, pods: Sequence[Pod], chance: random.Random) -> Line:
        ready = [pod for pod in pods if pod.ready <= at < pod.ends]
        steps: list[Line] = []
        for endpoint in SESSION:
            pod = chance.choice(ready)
            sqlstate = self.fails(pod.release, endpoint) if at >= self.changed_s else None
            told = {"endpoint": endpoint, "outcome": "http_5xx" if sqlstate else "ok"}
            steps.append({**told, "sqlstate": sqlstate, "release": pod.release, "pod": pod.name})
            if sqlstate:
                break
        outcomes = {step["endpoint"]: step["outcome"] for step in steps}
        post = {"ref": None, "chirp": None}
        if "create_chirp" in outcomes:
            acked = outcomes["create_chirp"] == "ok"
            post = {"ref": f"session-{seq}", "chirp": 1_000_000 + seq if acked else None}
        line = self._line("session", at, seq=seq, ok=steps[-1]["outcome"] == "ok", steps=steps)
        return {**line, "done": line["t"] + 10_000_000, **post}

    def _pods(self) -> Iterator[Line]:
        for resource in WATCHED:
            yield self._line("watch", -0.4, resource=resource, what="listed", detail="")
        pods = self.pods()
        for pod in pods:
            told = {"name": pod.name, "release": pod.release, "restarts": 0}
            made = pod.ready - min(1.0, self.ready_after_s)
            for at, kind, ready in (
                (made, "ADDED", False),
                (pod.ready, "MODIFIED", True),
                (pod.gone, "DELETED", False),
            ):
                if at != NEVER:
                    yield self._line("pod", at, type=kind, ready=ready, **told)
        moments = {t for pod in pods for t in (pod.ready, pod.ends, pod.gone) if t != NEVER}
        for at in sorted(moments):
            yield self._endpoints(at, pods)

    def _endpoints(self, at: float, pods: Sequence[Pod]) -> Line:
        there = [
            {"pod": p.name, "ready": at < p.ends, "serving": True, "terminating": at >= p.ends}
            for p in pods
            if p.ready <= at < p.gone
        ]
        return self._line("endpoints", at, service="chirps", endpoints=there)

    def _schema(self) -> Iterator[Line]:
        for version, at in ((5, -500.0), *self.versions):
            yield self._line("schema", at, bound=1_000_000, version=version, floor=1, seen=0)

    def _audit(self, sent: Sequence[Line]) -> Iterator[Line]:
        at, acked = self.verify_s + 1, 0
        for line in sent:
            if line.get("ref"):
                ok = line["chirp"] is not None
                acked += ok
                told = {"ref": line["ref"], "chirp": line["chirp"], "acked": ok}
                read = {"readable": ok or None, "release": self.new, "matches": ok or None}
                yield self._line("audit", at, stored=int(ok), **told, **read)
        for invariant in self.variant.invariants:
            yield self._line("invariant", at, name=invariant.name, value=0, error=None)
        counts = dict.fromkeys(("lost", "ambiguous", "duplicated", "unreadable", "unread"), 0)
        yield self._line("audit_done", at, acked=acked, stored=acked, **counts)


STREAMS = ("load", "cluster", "database", "audit")


def careless(scenario: Scenario, **truth: Any) -> Rollout:
    """The rename as it is expected: v1 fails from the commit on."""
    given = {"new": "v2-naive", "fails": failing("v1")}
    return Rollout(scenario, scenario.careless, **(given | truth))


def careful(scenario: Scenario, **truth: Any) -> Rollout:
    """The careful way: nothing fails, and the backfill comes when the last v1 is gone."""
    plain = Rollout(scenario, scenario.careful, new="v2", rate=80)
    backfill = plain.complete_s + plain.terminates_s + 2
    return replace(plain, **({"versions": ((6, 9.0), (7, backfill))} | truth))


def proof(scenario: Scenario, name: str, **truth: Any) -> Rollout:
    variant = next(each for each in scenario.proofs if each.name == name)
    return Rollout(scenario, variant, **truth)
