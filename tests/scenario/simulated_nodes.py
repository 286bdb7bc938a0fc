"""A simulated stage with nodes: an agent that stops, ghosts, a drain that asks a budget.

It knows neither scenario. Pods are on nodes; a node whose agent stopped is lost after the grace
period and its pods are given up after their toleration, while their processes go on and keep
their sessions on the database, unless their role is shut out and they are thrown out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lab.scenario.events import NS
from lab.scenario.load import Invariant
from lab.scenario.model import Start
from tests.scenario import simulated
from tests.scenario.simulated import Pod, SimulatedStage

NODES = ("n3", "n4", "n5", "n6")
HEARTBEAT_S, PERIOD_S = 10.0, 5.0
POOL = 8
RETRY_S = 5.0
ANSWER_S = 0.2
GRACE_S = 30
NEEDS = {**simulated.NEEDS, "v3": {"content"}}
COLUMNS_AT = {5: {"body"}, 8: {"body", "content"}, 9: {"content"}}


@dataclass
class NodesStage(SimulatedStage):
    """Implements Stage and the capabilities of faults on nodes, sessions and questions."""

    grace_s: float = 50
    toleration_s: float = 300
    workers: bool = True
    # What a cluster might do otherwise than it is predicted to.
    agent_kills: bool = False
    answers: Mapping[int, int] = field(default_factory=dict)
    lost_late_s: float = 0
    given_up_early_s: float = 0
    nobody_on: str = ""
    again_after_s: float = RETRY_S

    def __post_init__(self) -> None:
        super().__post_init__()
        self.node_of: dict[str, str] = {}
        self.alive: dict[str, Pod] = {}
        self.agents_off: set[str] = set()
        self.cordoned: set[str] = set()
        self.shut: set[str] = set()
        self.thrown_out: set[str] = set()
        self.ghosts: set[str] = set()
        self.rows: list[tuple[int, str]] = []
        self.dropped: int | None = None
        self.asked_times = 0
        self.desired_healthy = 0
        self.policy = ""
        self.spoilt: set[str] = set()

    # What the engine asks.

    def reset(self, start: Start) -> None:
        super().reset(start)
        self.columns = set(COLUMNS_AT[start.schema])
        self.works = start.variables.get("CHIRPS_WORKER") == "on" and self.workers
        self.pods = []
        for number, node in enumerate(NODES):
            name = f"chirps-{start.release}-{number}"
            self.node_of[name] = NODES[number - 1] if node == self.nobody_on else node
            self.pods.append(Pod(name, start.release, ready=True))
        self.alive = {pod.name: pod for pod in self.pods}
        budget = start.profile.get("disruption_budget", {"max_unavailable": 1})
        self.desired_healthy = budget.get(
            "min_available", self.replicas - budget.get("max_unavailable", 0)
        )
        self.policy = budget.get("unhealthy", "IfHealthyBudget")
        self.facts = {
            **self.facts,
            "unhealthy_pods": self.policy,
            "grace_s": GRACE_S,
            "node_monitor_grace_s": self.grace_s,
            "node_monitor_grace_from": "controller manager",
            "node_heartbeat_s": HEARTBEAT_S,
            "node_monitor_period_s": PERIOD_S,
            "toleration_s": self.toleration_s,
            "desired_healthy": self.desired_healthy,
        }

    def start(self, run: str, load: Any) -> None:
        for name, node in self.node_of.items():
            assert node in NODES, name
        super().start(run, load)
        for node in NODES:
            self._write("node", name=node, ready=True)
        self._tell_sets()
        self._later(0.5, self._work)

    def audit(self, invariants: Sequence[Invariant]) -> None:
        before, after = invariants if len(invariants) == 2 else (None, None)
        super().audit([])
        if before is None or after is None:
            return
        # The audit has ended: what it counts is put before its last lines.
        at = self.dropped or 0
        v2 = [t for t, release in self.rows if release == "v2"]
        counts = {
            before.name: sum(1 for t in v2 if at - 8 * NS <= t <= at),
            after.name: sum(1 for t in v2 if t > at),
        }
        closed = self._out.pop()
        for name, value in counts.items():
            self._out.append({"kind": "invariant", "t": self.time.ns, "name": name, "value": value})
        self._out.append({**closed, "lines": closed["lines"] + len(counts)})

    # What faults ask.

    def stop_agent(self, node: str) -> None:
        self.agents_off.add(node)
        if self.agent_kills:
            for name in [name for name, where in self.node_of.items() if where == node]:
                self.alive.pop(name, None)
        after_s = self.grace_s + self.lost_late_s
        self._later(after_s, lambda: self._lose(node))
        self._later(
            after_s + self.toleration_s - self.given_up_early_s, lambda: self._give_up(node)
        )

    def start_agent(self, node: str, *, wait: bool) -> None:
        self.agents_off.discard(node)
        self._write("node", name=node, ready=True)
        for pod in [p for p in self.pods if p.name in self.ghosts]:
            self.ghosts.discard(pod.name)
            self._end(pod)

    def run_sql(self, name: str, sql: str) -> None:
        for statement in sql.split("; "):
            _, _, role, what = statement.split()
            release = role.removeprefix("chirps_").replace("_", "-")
            (self.shut.add if what == "NOLOGIN" else self.shut.discard)(release)
        self._write_own("sql", name=name)

    def terminate_backends(self, application: str) -> None:
        release = application.split("/")[1]
        gone = [pod.name for pod in self.alive.values() if pod.release == release]
        if release in self.shut:
            self.thrown_out.update(gone)
        self._write_own("terminated", application=application, backends=len(gone) * POOL)

    def ask(self, name: str, arguments: Sequence[str]) -> None:
        self.asked.append(("ask", *arguments))
        there = sorted(p.name for p in self._connected() if p.release == "v2")
        may = not there and "v2" in self.shut
        code = self.answers.get(self.asked_times, 0 if may else 1)
        self.asked_times += 1
        told = {"sentence": "", "sessions": [{"pod": pod, "release": "v2"} for pod in there]}
        self._write_own("answer", name=name, code=code, told=told)

    def spoil_secret(self, release: str) -> None:
        self.spoilt.add(release)
        self._write_own("secret", release=release, what="wrong")

    def restore_secret(self, release: str) -> None:
        self.spoilt.discard(release)

    def delete_pods_on(self, node: str) -> None:
        for pod in self._on(node):
            self._mark(pod)
            self._replace(pod.release)
            self._later(self.terminating_s, lambda pod=pod: self._end(pod))

    def drain(self, node: str, *, timeout_s: float) -> None:
        self.cordoned.add(node)
        self._write_own("drain", node=node, what="begun", message="")
        deadline = self.time.ns + round(timeout_s * NS)
        self._later(ANSWER_S, lambda: self._evict(node, deadline))

    def uncordon(self, node: str) -> None:
        self.cordoned.discard(node)

    def set_image(self, release: str, variables: Mapping[str, str] | None = None) -> None:
        super().set_image(release, variables)
        self.works = self.works and release == "v2"

    # The model.

    def _lose(self, node: str) -> None:
        if node not in self.agents_off:
            return
        self._write("node", name=node, ready=False)
        for pod in self._on(node):
            pod.ready = False
            self._tell_pod(pod, "MODIFIED")
        self._tell_endpoints()

    def _give_up(self, node: str) -> None:
        for pod in self._on(node) if node in self.agents_off else []:
            self._mark(pod)
            self._replace(pod.release)

    def _mark(self, pod: Pod) -> None:
        pod.ready, pod.terminating = False, True
        if self.node_of[pod.name] in self.agents_off:
            self.ghosts.add(pod.name)
        self._tell_pod(pod, "MODIFIED")
        self._tell_endpoints()
        self._tell_sets()

    def _replace(self, release: str) -> None:
        new = Pod(f"chirps-{release}-{len(self.node_of)}", release)
        self._add(new)
        if release not in self.spoilt:
            self._later(self.startup_s, lambda: self._be_ready(new))

    def _evict(self, node: str, deadline: int) -> None:
        """One round of a drain: ask for each pod, as kubectl does, and come back."""
        left = [pod for pod in self.pods if self.node_of[pod.name] == node]
        if node not in self.cordoned:
            return
        if not left or self.time.ns > deadline:
            what = "done" if not left else "gave up"
            self._write_own("drain", node=node, what=what, message="")
            return
        for pod in [pod for pod in left if not pod.terminating]:
            may = self._may_go(pod)
            told = {"pod": pod.name, "node": node, "message": "" if may else "budget"}
            self._write_own("eviction", status=201 if may else 429, **told)
            if may:
                self._mark(pod)
                self._replace(pod.release)
                self._later(self.terminating_s, lambda pod=pod: self._end(pod))
        self._later(self.again_after_s, lambda: self._evict(node, deadline))

    def _may_go(self, pod: Pod) -> bool:
        healthy = sum(p.ready for p in self.pods)
        if pod.ready:
            return healthy > self.desired_healthy
        return self.policy == "AlwaysAllow" or healthy >= self.desired_healthy

    def _on(self, node: str) -> list[Pod]:
        return [p for p in self.pods if self.node_of[p.name] == node and not p.terminating]

    def _connected(self) -> list[Pod]:
        return [pod for name, pod in self.alive.items() if name not in self.thrown_out]

    def _work(self) -> None:
        if self._stopped is not None:
            return
        self._later(1.0, self._work)
        for pod in self._connected():
            if pod.release == "v2" and self.workers and NEEDS["v2"] <= self.columns:
                self.rows.append((self.time.ns, pod.release))

    def _missing(self, pod: Pod, endpoint: str) -> set[str]:
        names_a_column = endpoint in simulated.NAMING_A_COLUMN
        return NEEDS[pod.release] - self.columns if names_a_column else set()

    def _commit(self, track: str, to: int) -> None:
        self.columns, self.dropped = set(COLUMNS_AT[to]), self.time.ns
        self._write("schema", bound=500_000, version=to, floor=1, seen=self.time.ns)

    def _add(self, pod: Pod) -> None:
        free = [n for n in NODES if n not in self.agents_off | self.cordoned]
        self.node_of[pod.name] = min(free, key=lambda node: len(self._on(node)))
        self.alive[pod.name] = pod
        super()._add(pod)
        self._tell_sets()

    def _terminate(self, pod: Pod, release: str, *, updated: int) -> None:
        if pod.terminating:
            self._tell_deployment(release, updated=updated)
            return
        if self.node_of[pod.name] in self.agents_off:
            self.ghosts.add(pod.name)
        super()._terminate(pod, release, updated=updated)
        self._tell_sets()

    def _end(self, pod: Pod) -> None:
        if pod.name not in self.ghosts and pod in self.pods:
            self.alive.pop(pod.name, None)
            super()._end(pod)

    # What is told.

    def _write(self, kind: str, **fields: Any) -> None:
        if kind == "db":
            fields["sessions"] = [
                {"application": f"chirps/{p.release}/{p.name}", "state": "idle", "count": POOL}
                for p in self._connected()
            ]
        super()._write(kind, **fields)

    def _write_own(self, kind: str, **fields: Any) -> None:
        """What the stage tells is none of the observer's lines."""
        self._out.append({"kind": kind, "t": self.time.ns, **fields})

    def _tell_pod(self, pod: Pod, kind: str) -> None:
        told = {"name": pod.name, "release": pod.release, "terminating": pod.terminating}
        place = {"node": self.node_of[pod.name], "app": "chirps", "restarts": 0}
        ready = pod.ready and kind != "DELETED"
        self._write("pod", type=kind, ready=ready, **told, **place)

    def _tell_sets(self) -> None:
        for release in dict.fromkeys(pod.release for pod in self.pods):
            wanted = [p for p in self.pods if p.release == release and not p.terminating]
            self._write(
                "replicaset", name=f"chirps-{release}", release=release, replicas=len(wanted)
            )
