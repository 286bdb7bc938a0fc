"""Put service and data back to the start state, in seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lab.kube.client import Client
from lab.lifecycle.lab import Lab, require_power
from lab.lifecycle.lock import exclusive
from lab.paths import Paths
from lab.progress import Progress
from lab.service import jobs, rollout, seed, timers
from lab.service.database import Database
from lab.service.names import START_RELEASE
from lab.service.observer import Observer
from lab.service.seed import BASE_SCHEMA

READY_BOUND_S = 120.0


def reset(paths: Paths, name: str, *, progress: Progress, timeout_s: float = READY_BOUND_S) -> None:
    """Restore the seed and run the start release as it was deployed."""
    require_power(paths, name, "reset")
    with exclusive(paths, name):
        lab = Lab.load(paths, name)
        client = lab.connect()
        told = rollout.configured(client)
        timers.restore_left(lab, client, progress)
        with progress.task("Resetting service and data"):
            reset_service(lab, client, told.profile, told.seed, timeout_s=timeout_s)


@dataclass(frozen=True, slots=True)
class Beginning:
    """Where a scenario begins when not as deployed; see `lab.scenario.model.Start`."""

    release: str = START_RELEASE
    track: str = ""
    schema: int = BASE_SCHEMA
    variables: Mapping[str, str] = field(default_factory=dict)
    profile: Mapping[str, Any] = field(default_factory=dict)


def reset_service(
    lab: Lab,
    client: Client,
    profile: str,
    mark: str,
    *,
    timeout_s: float,
    beginning: Beginning | None = None,
) -> None:
    """Do it with the lab's lock held; works in whatever state service and data are.

    `mark` names the seed that the service is deployed with.
    """
    wanted = beginning or Beginning()
    Observer(client).end_any_run(timeout_s=timeout_s)
    jobs.remove_all(client)
    rollout.stop_all(client)
    seed.restore(Database(lab))
    migrate(client, wanted, timeout_s=timeout_s)
    template = rollout.Template(wanted.release, profile, mark, wanted.profile, wanted.variables)
    rollout.apply_service(client, template)
    pods = int(wanted.profile.get("replicas", rollout.replicas_of(profile)))
    rollout.wait_ready(client, pods, release=wanted.release, timeout_s=timeout_s)


def migrate(client: Client, wanted: Beginning, *, timeout_s: float) -> None:
    """Bring the schema from the seed's to the one that is begun with."""
    if wanted.schema == BASE_SCHEMA:
        return
    to = ("--to", str(wanted.schema))
    arguments = ("migrate", "up", "--track", wanted.track, *to)
    jobs.run(client, jobs.Job("begin", wanted.release, arguments), timeout_s=timeout_s)
