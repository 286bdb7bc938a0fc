"""The stage of real nodes: a lab's cluster, with service, database and observer on it."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from lab.errors import NotReady, ObserverLost
from lab.faults.isolate import DATABASE
from lab.kube.client import Client
from lab.lifecycle.lab import Lab
from lab.provision import readiness
from lab.scenario.load import Invariant, Load
from lab.scenario.model import Start
from lab.service import budget, jobs, operator, placement, rolling, rollout
from lab.service.database import Database
from lab.service.jobs import Job
from lab.service.names import BASE, NAMESPACE, OBSERVER_POD
from lab.service.observer import Clock, Event, Observer
from lab.service.reset import Beginning, reset_service
from lab.stages import clock_mode
from lab.stages.clock_mode import HONEST, ClockMode
from lab.stages.cluster_database import ClusterDatabaseFaults
from lab.stages.cluster_listening import ClusterWay
from lab.stages.cluster_nodes import ClusterNodeFaults
from lab.stages.heal import heal
from lab.stages.hearing import Hearing
from lab.stages.own_events import OwnEvents
from lab.stages.undo import LabUndoLog

NAME = "sandbox"
READY_BOUND_S = 120.0
STOP_BOUND_S = 30.0
POLL_S = 0.1
# Pods of six nodes share this host's CPU, and what is read back is still to disturb nobody.
AUDIT_PER_S = 600


@dataclass(slots=True)
class ClusterStage:
    """Implements `lab.scenario.stage.Stage` and the capabilities that faults ask for."""

    lab: Lab
    client: Client
    undo_log: LabUndoLog
    mode: ClockMode = HONEST
    name: str = NAME
    observer: Observer = field(init=False)
    clock: Clock | None = None
    run: str = ""
    _facts: dict[str, Any] = field(default_factory=dict)
    hearing: Hearing | None = None
    own: OwnEvents = field(init=False)
    database: ClusterDatabaseFaults = field(init=False)
    nodes: ClusterNodeFaults = field(init=False)

    def __post_init__(self) -> None:
        self.observer = Observer(self.client)
        self.own = OwnEvents(self.now)
        self.database = ClusterDatabaseFaults(self.lab, self.client, self.own)
        self.nodes = ClusterNodeFaults(self.lab, self.client, self.own)

    @property
    def facts(self) -> Mapping[str, Any]:
        return self._facts

    def reset(self, start: Start) -> None:
        self.heal()
        record = self.lab.record
        missing = readiness.judge_cluster(self.client, record.nodes, record.versions)
        if missing.findings:
            raise NotReady(f"the cluster is not ready: {missing.text()}", hint="lab status")
        placement.require_home(self.client, OBSERVER_POD, record.home)
        told = rollout.configured(self.client)
        beginning = self.mode.applied_to(start, rollout.values_of(told.profile))
        reset_service(
            self.lab,
            self.client,
            told.profile,
            told.seed,
            timeout_s=READY_BOUND_S,
            beginning=Beginning(**asdict(beginning)),
        )
        self._facts = self._read_back()

    def start(self, run: str, load: Load) -> None:
        spec = load.to_json() | {
            "run": run,
            "target": self._facts["target"],
            "users": self._facts["seeded_users"],
            "chirps": self._facts["seeded_chirps"],
            "namespace": NAMESPACE,
            "service": "chirps",
            "sample_hz": 2,
            "audit_per_s": AUDIT_PER_S,
            "watch": True,
            "database": True,
        }
        # Before it is asked for: a request that times out may have been heard.
        self.run = run
        self.observer.begin(spec)
        self.clock = self.observer.measure_clock()
        # What was told before, as by healing, was told by another clock and of another run.
        self.own.take()
        self.own.tell("clock", offset=self.clock.offset, bound=self.clock.bound)
        self.hearing = Hearing(ClusterWay(self.client), self.now, self.own)

    def now(self) -> int:
        return self.clock.now() if self.clock else time.monotonic_ns()

    def read(self) -> Sequence[Event]:
        seen = self.observer.read(self.run)
        if self.hearing:
            self.hearing.see(seen)
        return [*self.own.take(), *seen]

    def stop(self) -> None:
        self.observer.stop(self.run)
        deadline = time.monotonic() + STOP_BOUND_S
        while (state := self.observer.health()["state"]) != "stopped":
            if state == "failed":
                raise ObserverLost(f"the observer failed: {self.observer.health()['error']}")
            if time.monotonic() > deadline:
                raise ObserverLost(f"the observer did not stop within {STOP_BOUND_S:g} s")
            time.sleep(POLL_S)
        if self.hearing:
            self.hearing.end()

    def audit(self, invariants: Sequence[Invariant]) -> None:
        self.observer.audit(self.run, [each.to_json() for each in invariants])

    def close(self) -> None:
        if self.hearing:
            self.hearing.close()
        self.nodes.close()
        self.database.close()
        if self.run:
            self.observer.forget(self.run)
            self.run = ""

    def migrate(
        self,
        track: str,
        to: int | None,
        release: str,
        *,
        options: Sequence[str] = (),
        job: str = "",
    ) -> None:
        """Start a Job that migrates `track` up to a version, from the image of a release."""
        target = ("--to", str(to)) if to is not None else ()
        arguments = ("migrate", "up", "--track", track, *target, *options, "--json")
        name = job or f"migrate-{track}" + (f"-{to}" if to is not None else "")
        jobs.start(self.client, Job(name, release, arguments))

    def clear_migration(self) -> None:
        jobs.remove_all(self.client)

    def set_image(self, release: str, variables: Mapping[str, str] | None = None) -> None:
        """Tell the Deployment to run another release; the cluster does the rest."""
        told = rollout.configured(self.client)
        rollout.apply_service(self.client, rollout.template_of(told, release, variables))

    def pause(self) -> None:
        rolling.pause(self.client)

    def resume(self) -> None:
        rolling.resume(self.client)

    def undo_rollout(self) -> None:
        """Put the earlier template back, or tell why that is refused."""
        if refusal := rolling.undo(self.client):
            self.own.tell("refused", what="undo", message=refusal)

    def scale(self, replicas: int) -> None:
        rolling.scale(self.client, replicas)

    def set_strategy(self, max_surge: int | str, max_unavailable: int | str) -> None:
        rolling.set_strategy(self.client, max_surge, max_unavailable)

    def hold_session(
        self, name: str, sql: str, *, seconds: float | None, idle_in_transaction: bool
    ) -> None:
        self.database.hold(name, sql, seconds=seconds, idle_in_transaction=idle_in_transaction)

    def end_session(self, name: str) -> None:
        self.database.end(name)

    def terminate_backends(self, application: str) -> None:
        self.database.terminate(application)

    def run_sql(self, name: str, sql: str) -> None:
        self.database.run(name, sql)

    def stop_database(self) -> None:
        self.database.shut_down()

    def start_database(self, *, wait: bool) -> None:
        self.database.start_again(wait=wait)

    def spoil_secret(self, release: str) -> None:
        self.database.spoil(release)

    def restore_secret(self, release: str) -> None:
        self.database.mend(release)

    def isolate(self, what: str) -> None:
        self.nodes.isolate(what)

    def rejoin(self, what: str, *, wait: bool) -> None:
        self.nodes.rejoin(what, wait=wait)
        if wait and what == DATABASE:
            self.database.wait_until_it_answers()

    def stop_agent(self, node: str) -> None:
        self.nodes.stop_agent(node)

    def start_agent(self, node: str, *, wait: bool) -> None:
        self.nodes.start_agent(node, wait=wait)

    def power_off(self, node: str) -> None:
        self.nodes.power_off(node)

    def power_on(self, node: str, *, wait: bool) -> None:
        self.nodes.power_on(node, wait=wait)

    def delete_pods_on(self, node: str) -> None:
        self.nodes.delete_pods_on(node)

    def drain(self, node: str, *, timeout_s: float) -> None:
        self.nodes.drain(node, timeout_s=timeout_s)

    def uncordon(self, node: str) -> None:
        self.nodes.uncordon(node)

    def ask(self, name: str, arguments: Sequence[str]) -> None:
        answer = operator.ask(self.lab, arguments)
        self.own.tell("answer", name=name, code=answer.code, told=answer.told)

    def heal(self) -> None:
        """Take back what a run that was cut short left, newest first."""
        for change in self.undo_log.left():
            heal(change.undo, self)
            self.undo_log.close([change])

    def _read_back(self) -> dict[str, Any]:
        told = rollout.configured(self.client)
        record = self.lab.record
        seeded = Database(self.lab).run(
            "SELECT count(*) FROM users; SELECT count(*) FROM chirps; SHOW server_version;"
        )
        users, chirps, postgres = (row[0] for row in seeded)
        service = self.client.get(f"{BASE}/services/chirps")["spec"]
        return {
            "stage": self.name,
            "distribution": record.distribution,
            "version": record.version,
            **clock_mode.facts(self.lab, self.client, self.mode),
            "reset_command": f"{'' if self.lab.record.kind else 'sudo '}lab reset",
            "nodes": len(record.nodes),
            "postgres": postgres,
            # The way of the service's users: by kube-proxy, which chooses a pod a connection.
            "target": f"http://{service['clusterIP']}:{service['ports'][0]['port']}",
            "profile": told.profile,
            "overrides": dict(told.overrides),
            "variables": dict(told.variables),
            "release": told.release,
            "replicas": told.replicas,
            "max_surge": rollout.resolve(told.max_surge, told.replicas, up=True),
            "max_unavailable": rollout.resolve(told.max_unavailable, told.replicas, up=False),
            "min_ready_s": told.min_ready_s,
            "progress_deadline_s": told.progress_deadline_s,
            "grace_s": told.grace_s,
            "pre_stop_s": told.pre_stop_s,
            "readiness_probe": dict(told.readiness_probe),
            **budget.facts(self.client, told.replicas),
            "seeded_users": int(users),
            "seeded_chirps": int(chirps),
        }
