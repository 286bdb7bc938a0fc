"""The stage of real nodes: a lab's cluster, with service, database and observer on it."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from lab.errors import NotReady, ObserverLost
from lab.kube.client import Client
from lab.lifecycle.lab import Lab
from lab.provision import readiness
from lab.scenario.load import Invariant, Load
from lab.scenario.model import Start
from lab.service import jobs, rollout
from lab.service.database import Database
from lab.service.jobs import Job
from lab.service.names import BASE, NAMESPACE
from lab.service.observer import Clock, Event, Observer
from lab.service.reset import Beginning, reset_service
from lab.stages.heal import heal
from lab.stages.undo import LabUndoLog

NAME = "sandbox"
HONEST = "honest"
RESET = "sudo lab reset"
READY_BOUND_S = 120.0
STOP_BOUND_S = 30.0
POLL_S = 0.1
# Pods of six nodes share this host's CPU, and what is read back is still to disturb nobody.
AUDIT_PER_S = 100


@dataclass(slots=True)
class ClusterStage:
    """Implements `lab.scenario.stage.Stage` and the capabilities that faults ask for."""

    lab: Lab
    client: Client
    undo_log: LabUndoLog
    observer: Observer = field(init=False)
    clock: Clock | None = None
    run: str = ""
    _facts: dict[str, Any] = field(default_factory=dict)
    _own: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.observer = Observer(self.client)

    @property
    def facts(self) -> Mapping[str, Any]:
        return self._facts

    def reset(self, start: Start) -> None:
        self._heal()
        record = self.lab.record
        missing = readiness.judge_cluster(self.client, record.nodes, record.versions)
        if missing.findings:
            raise NotReady(f"the cluster is not ready: {missing.text()}", hint="lab status")
        told = rollout.configured(self.client)
        reset_service(
            self.lab,
            self.client,
            told.profile,
            told.seed,
            timeout_s=READY_BOUND_S,
            beginning=Beginning(**asdict(start)),
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
        self._own.append(
            {
                "kind": "clock",
                "t": self.now(),
                "offset": self.clock.offset,
                "bound": self.clock.bound,
            }
        )

    def now(self) -> int:
        return self.clock.now() if self.clock else time.monotonic_ns()

    def read(self) -> Sequence[Event]:
        own, self._own = self._own, []
        return [*own, *self.observer.read(self.run)]

    def stop(self) -> None:
        self.observer.stop(self.run)
        deadline = time.monotonic() + STOP_BOUND_S
        while (state := self.observer.health()["state"]) != "stopped":
            if state == "failed":
                raise ObserverLost(f"the observer failed: {self.observer.health()['error']}")
            if time.monotonic() > deadline:
                raise ObserverLost(f"the observer did not stop within {STOP_BOUND_S:g} s")
            time.sleep(POLL_S)

    def audit(self, invariants: Sequence[Invariant]) -> None:
        self.observer.audit(self.run, [each.to_json() for each in invariants])

    def close(self) -> None:
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

    def _heal(self) -> None:
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
            "stage": NAME,
            "distribution": record.distribution,
            "version": record.version,
            "clock": HONEST,
            "reset_command": RESET,
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
            "seeded_users": int(users),
            "seeded_chirps": int(chirps),
        }
