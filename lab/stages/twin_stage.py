"""The stage without Kubernetes: releases as processes, moved as a Deployment moves its pods."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lab.errors import ObserverLost, TwinFailed
from lab.observing import Clock, Event
from lab.scenario.attention import WATCHED
from lab.scenario.load import Invariant, Load
from lab.scenario.model import Start
from lab.stages.hearing import Hearing
from lab.stages.own_events import OwnEvents
from lab.stages.twin_database import TwinDatabaseFaults
from lab.stages.twin_listening import TwinWay
from lab.stages.twin_machine import NAME, STOP_BOUND_S, Machine, releases
from lab.stages.twin_profile import AUDIT_PER_S, BASELINE_S, LOAD, PROFILE, QUIET_S
from lab.twin.deployment import RolloutRefused
from lab.twin.observer import TwinObserver

# Its own times, so neither honest nor made fast: what a cluster takes is not to be read off it.
CLOCK = "short"
# Less than whoever watches and serves them.
NICE_OF_PODS = 5
BASE_SCHEMA = 5
READY_BOUND_S = 60.0
MIGRATED_BOUND_S = 120.0
POLL_S = 0.05
NODES = "nodes"


@dataclass(slots=True)
class TwinStage:
    """Implements `lab.scenario.stage.Stage` and capabilities that faults ask for."""

    machine: Machine
    clock: Clock | None = None
    run: str = ""
    _facts: dict[str, Any] = field(default_factory=dict)
    hearing: Hearing | None = None
    own: OwnEvents = field(init=False)
    database: TwinDatabaseFaults = field(init=False)

    def __post_init__(self) -> None:
        self.own = OwnEvents(self.now)
        self.database = TwinDatabaseFaults(self.machine.database, self.own)

    @property
    def facts(self) -> Mapping[str, Any]:
        return self._facts

    @property
    def observer(self) -> TwinObserver:
        if self.machine.observer is None:
            raise TwinFailed("the twin has no observer: it was not reset")
        return self.machine.observer

    def reset(self, start: Start) -> None:
        self.machine.begin_anew()
        self._tell_world_to_start(start)
        self._migrate_before(start)
        self.machine.world.ask("wait_ready", within_s=READY_BOUND_S, bound_s=READY_BOUND_S + 5)
        self._facts = self._read_back(start)

    def start(self, run: str, load: Load) -> None:
        spec = {
            **load.to_json(),
            **LOAD,
            "run": run,
            "target": self._facts["target"],
            "users": self._facts["seeded_users"],
            "chirps": self._facts["seeded_chirps"],
            "namespace": NAME,
            "service": "chirps",
            "sample_hz": 4,
            "audit_per_s": AUDIT_PER_S,
            # The world tells what a cluster's API would.
            "watch": False,
            "database": True,
        }
        self.run = run
        self.observer.begin(spec)
        self.clock = self.observer.measure_clock()
        # What was told before, as by healing, was told by another clock and of another run.
        self.own.take()
        self.own.tell("clock", offset=self.clock.offset, bound=self.clock.bound)
        self.hearing = Hearing(
            TwinWay(self.machine.workplace.directory("logs")), self.now, self.own
        )
        self.machine.world.ask("watch", run=run, instance=self.observer.instance)

    def now(self) -> int:
        return self.clock.now() if self.clock else time.monotonic_ns()

    def read(self) -> Sequence[Event]:
        seen = [*self.machine.world.read(), *self.observer.read(self.run)]
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
        self.machine.world.ask("unwatch")

    def audit(self, invariants: Sequence[Invariant]) -> None:
        self.observer.audit(self.run, [each.to_json() for each in invariants])

    def close(self) -> None:
        if self.hearing:
            self.hearing.close()
        if self.run:
            self.observer.forget(self.run)
            self.run = ""
        self.database.close()
        self.machine.world.ask("stop", bound_s=STOP_BOUND_S)

    def migrate(
        self,
        track: str,
        to: int | None,
        release: str,
        *,
        options: Sequence[str] = (),
        job: str = "",
    ) -> None:
        """Start a Job that migrates `track` up to a version, as `release`."""
        given = list(options)
        self.machine.world.ask(
            "migrate", track=track, to=to, release=release, options=given, job=job
        )

    def clear_migration(self) -> None:
        self.machine.world.ask("clear_migration")

    def set_image(self, release: str, variables: Mapping[str, str] | None = None) -> None:
        """Tell the Deployment to run another release; the world does the rest."""
        policies = None if variables is None else dict(variables)
        self.machine.world.ask("set_image", release=release, variables=policies)

    def pause(self) -> None:
        self.machine.world.ask("pause")

    def resume(self) -> None:
        self.machine.world.ask("resume")

    def undo_rollout(self) -> None:
        """Put the earlier template back, or tell why the Deployment refuses."""
        try:
            self.machine.world.ask("undo")
        except RolloutRefused as exc:
            self.own.tell("refused", what="undo", message=exc.message)

    def scale(self, replicas: int) -> None:
        self.machine.world.ask("scale", replicas=replicas)

    def set_strategy(self, max_surge: int | str, max_unavailable: int | str) -> None:
        self.machine.world.ask("set_strategy", max_surge=max_surge, max_unavailable=max_unavailable)

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
        """Start it; it is there so soon that it is waited for anyway."""
        self.database.start_again()

    def spoil_secret(self, release: str) -> None:
        self.database.spoil(release)

    def restore_secret(self, release: str) -> None:
        self.database.restore(release)

    def _tell_world_to_start(self, start: Start) -> None:
        database, workplace = self.machine.database, self.machine.workplace
        self.machine.world.ask(
            "start",
            profile={**PROFILE, **start.profile},
            database=database.place,
            release=start.release,
            releases=releases(database),
            variables=dict(start.variables),
            nice=NICE_OF_PODS,
            keep=str(workplace.directory("logs")),
            alive=str(workplace.lock),
        )

    def _migrate_before(self, start: Start) -> None:
        """Bring the schema from the seed's to the one that is begun with."""
        if start.schema == BASE_SCHEMA:
            return
        self.migrate(start.track, start.schema, start.release)
        self._wait_for_schema(start.schema)
        self.clear_migration()

    def _wait_for_schema(self, version: int) -> None:
        deadline = time.monotonic() + MIGRATED_BOUND_S
        newest = "SELECT max(version_id) FROM goose_db_version WHERE is_applied"
        while (found := self.machine.database.value(newest)) != version:
            if time.monotonic() > deadline:
                raise TwinFailed(
                    f"the schema is at {found} and not at {version} after {MIGRATED_BOUND_S:g} s",
                    hint=f"ls {self.machine.workplace.directory('logs')}",
                )
            time.sleep(POLL_S)

    def _read_back(self, start: Start) -> dict[str, Any]:
        database = self.machine.database
        version = str(database.value("SHOW server_version"))
        return {
            "stage": NAME,
            "distribution": "processes",
            "version": f"PostgreSQL {version}",
            "clock": CLOCK,
            "postgres": version,
            "load": dict(LOAD),
            "baseline_s": BASELINE_S,
            "quiet_s": QUIET_S,
            "watcher": "twin",
            "watched": [resource for resource in WATCHED if resource != NODES],
            "variables": dict(start.variables),
            "overrides": dict(start.profile),
            "seeded_users": int(database.value("SELECT count(*) FROM users")),
            "seeded_chirps": int(database.value("SELECT count(*) FROM chirps")),
            **self.machine.world.ask("facts"),
        }
