"""Histories put together from what each pod did, with known truth.

Where `histories` has one kind of rollout, here a test says when which pod was ready, was
restarted and was gone. New connections meet any ready pod and are refused where there is
none; kept ones stay with their pod until it is gone. `fails` decides what is answered.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lab.scenario.events import NS
from lab.scenario.history import History
from lab.scenario.model import Scenario, Variant
from tests.scenario.histories import NEVER, STREAMS, WATCHED, Line

FailsAt = Callable[[float, str, str], str | None]
"""With which SQLSTATE a release answers an endpoint at a time; None: ok."""


def well(_at: float, _release: str, _endpoint: str) -> str | None:
    return None


@dataclass(frozen=True)
class Life:
    """What one pod did, in seconds: `ready` are spans; `ends` are times when its container ended
    and waited to be started again, which it was at the next of `restarts`."""

    name: str
    release: str
    ready: Sequence[tuple[float, float]] = ()
    made: float = -10
    gone: float = NEVER
    restarts: Sequence[float] = ()
    ends: Sequence[float] = ()

    def waits(self, at: float) -> bool:
        ended = [each for each in self.ends if each <= at]
        return bool(ended) and not any(ended[-1] < each <= at for each in self.restarts)

    def is_ready(self, at: float) -> bool:
        return any(begin <= at < end for begin, end in self.ready) and at < self.gone

    def is_there(self, at: float) -> bool:
        return self.made <= at < self.gone

    @property
    def moments(self) -> set[float]:
        spans = {each for span in self.ready for each in span}
        return {t for t in (self.made, self.gone, *spans, *self.restarts, *self.ends) if t != NEVER}


def four(
    release: str, *, since: float = -10, until: float = NEVER, gone: float = NEVER
) -> list[Life]:
    """Return four pods that are ready from one time to another."""
    made = since - 1
    return [Life(f"{release}-{n}", release, ((since, until),), made, gone) for n in range(4)]


@dataclass(frozen=True)
class Told:
    """The truth of one run; times in seconds, the baseline begins at 0.

    `steps` holds when a step was due, where that is not `run_s`; a fault is observed a
    second later. `values` are the answers to invariants, `overdue_s` is when the rollout is
    reported to be late.
    """

    scenario: Scenario
    variant: Variant
    pods: Sequence[Life]
    fails: FailsAt = well
    versions: Sequence[tuple[int, float]] = ((6, 9.0),)
    steps: Mapping[str, float] = field(default_factory=dict)
    values: Mapping[str, int | None] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    overdue_s: float | None = None
    run_s: float = 6.0
    verify_s: float = 50.0
    rate: float = 40
    seed: int = 1

    def history(self) -> History:
        requests, sessions = list(self._requests()), list(self._sessions())
        observed = [*self._streams(), *requests, *sessions, *self._each_second(), *self._pods()]
        observed += [*self._endpoints(), *self._deployments(), *self._schema()]
        observed += self._audit([*requests, *sessions])
        closed = [self._line("closed", self.verify_s + 3, stream=name, lines=0) for name in STREAMS]
        closed[0]["lines"] = len(observed) + len(closed)
        told = [*self._engine(), *observed, *closed]
        return History(sorted(told, key=lambda line: (line["t"], line["kind"] != "run")))

    def _line(self, kind: str, at_s: float, **told: Any) -> Line:
        return {"kind": kind, "t": round(at_s * NS), **told}

    def _engine(self) -> Iterator[Line]:
        load = {**self.scenario.load.to_json(), "rate": self.rate}
        names = {"scenario": self.scenario.name, "variant": self.variant.name}
        facts = {"replicas": 4, "max_unavailable": 0, "max_surge": 1, **self.facts}
        yield self._line("run", -20, **names, load=load, facts=facts)
        end = self.verify_s
        begins = (-20, 0, self.run_s, end - 3, end - 2, end, end + 4)
        phases = ("setup", "baseline", "run", "recover", "settle", "verify", "teardown")
        for name, at in zip(phases, begins, strict=True):
            yield self._line("phase", at, name=name)
        for step in self.variant.timeline:
            at = self.steps.get(step.name, self.run_s)
            yield self._line("step", at, name=step.name, what="due", detail="")
            if step.fault:
                told = {"name": step.fault.name, "step": step.name, "detail": ""}
                yield self._line("fault", at, what="requested", **told)
                yield self._line("fault", at + 1, what="observed", **told)

    def _streams(self) -> Iterator[Line]:
        for name in STREAMS:
            yield self._line("stream", -19, stream=name, run="r", instance="i")
        for resource in WATCHED:
            yield self._line("watch", -18, resource=resource, what="listed", detail="")

    def _requests(self) -> Iterator[Line]:
        chance, load, conn = random.Random(self.seed), self.scenario.load, 0
        endpoints, weights = zip(*load.mix.items(), strict=True)
        kept: dict[int, tuple[int, Life]] = {}
        for seq in range(round(self.verify_s * self.rate)):
            at = seq / self.rate
            endpoint = chance.choices(endpoints, weights)[0]
            stream = "keepalive" if chance.random() < load.keepalive_share else "fresh"
            slot = chance.randrange(load.keepalive_connections)
            known = kept.get(slot) if stream == "keepalive" else None
            reused = known is not None and known[1].is_there(at)
            if known is not None and reused:
                number, pod = known
            else:
                conn += 1
                number, pod = conn, self._choose(at, chance)
            if stream == "keepalive" and pod is not None:
                kept[slot] = (number, pod)
            told = {"seq": seq, "stream": stream, "endpoint": endpoint, "conn": number}
            yield self._request(at, pod, reused=reused, **told)

    def _choose(self, at: float, chance: random.Random) -> Life | None:
        ready = [pod for pod in self.pods if pod.is_ready(at)]
        return chance.choice(ready) if ready else None

    def _request(self, at: float, pod: Life | None, *, endpoint: str, **told: Any) -> Line:
        line = self._line("request", at, endpoint=endpoint, node="n3", **told)
        line |= {"sent": line["t"] + 200_000, "done": line["t"] + 5_000_000}
        if pod is None:
            line |= {"outcome": "refused", "status": None, "sqlstate": None, "release": None}
            line |= {"pod": None}
        else:
            sqlstate = self.fails(at, pod.release, endpoint)
            line |= {"outcome": "http_5xx" if sqlstate else "ok", "status": 200}
            line |= {"sqlstate": sqlstate, "release": pod.release, "pod": pod.name}
        if endpoint == "create_chirp":
            line |= {"ref": f"ref-{told['seq']}"}
        return line

    def _sessions(self) -> Iterator[Line]:
        chance = random.Random(self.seed + 1)
        for seq in range(2 * round(self.verify_s)):
            pod = self._choose(seq / 2, chance)
            ok = pod is not None and not self.fails(seq / 2, pod.release, "create_chirp")
            step = {"endpoint": "create_chirp", "outcome": "ok" if ok else "refused"}
            line = self._line("session", seq / 2, seq=seq, ok=ok, steps=[step], chirp=None)
            yield {**line, "done": line["t"] + 10_000_000, "ref": f"session-{seq}"}

    def _each_second(self) -> Iterator[Line]:
        planned = round(self.verify_s * self.rate)
        for second in range(1, round(self.verify_s) + 2):
            counts = {"planned": min(round(second * self.rate), planned), "cap_reached": False}
            yield self._line("health", second, lag_max_ms=2.0, **counts)
            for stream in ("watch", "database"):
                yield self._line("tick", second, stream=stream, lag_max_ms=1.0)
            yield self._line("db", second, schema=5, floor=1, connections=8, sessions=[])

    def _pods(self) -> Iterator[Line]:
        for pod in self.pods:
            for at in sorted(pod.moments):
                kind = "DELETED" if at == pod.gone else "ADDED" if at == pod.made else "MODIFIED"
                count = sum(1 for each in pod.restarts if each <= at)
                told: Line = {"name": pod.name, "release": pod.release, "app": "chirps"}
                told |= {"reason": "CrashLoopBackOff" if pod.waits(at) else None}
                ready = pod.is_ready(at)
                yield self._line("pod", at, type=kind, ready=ready, restarts=count, **told)

    def _endpoints(self) -> Iterator[Line]:
        moments = {-15.0, *(at for pod in self.pods for at in pod.moments)}
        for at in sorted(moments):
            there = [
                {"pod": pod.name, "ready": pod.is_ready(at), "serving": True}
                for pod in self.pods
                if pod.is_there(at)
            ]
            yield self._line("endpoints", at, service="chirps", endpoints=there)

    def _deployments(self) -> Iterator[Line]:
        counts = {"replicas": 4, "updated": 4, "available": 4, "generation": 1, "observed": 1}
        told = {"name": "chirps", "release": "v1", **counts}
        yield self._line("deployment", self.run_s + 0.5, conditions=[], **told)
        if self.overdue_s is not None:
            late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
            yield self._line("deployment", self.overdue_s, conditions=[late], **told)

    def _schema(self) -> Iterator[Line]:
        for version, at in ((5, -500.0), *self.versions):
            yield self._line("schema", at, bound=1_000_000, version=version, floor=1, seen=0)

    def _audit(self, sent: Sequence[Line]) -> Iterator[Line]:
        at, acked = self.verify_s + 1, 0
        for line in sent:
            if line.get("ref"):
                ok = line["ok"] if "ok" in line else line["outcome"] == "ok"
                acked += ok
                told = {"ref": line["ref"], "acked": ok, "stored": int(ok), "release": "v1"}
                yield self._line("audit", at, readable=ok or None, matches=ok or None, **told)
        for invariant in self.variant.invariants:
            value = self.values.get(invariant.name, invariant.expected)
            yield self._line("invariant", at, name=invariant.name, value=value, error=None)
        counts = dict.fromkeys(("lost", "ambiguous", "duplicated", "unreadable", "unread"), 0)
        yield self._line("audit_done", at, acked=acked, **counts)


def variant_of(scenario: Scenario, name: str) -> Variant:
    return next(each for each in scenario.variants if each.name == name)
