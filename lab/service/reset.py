"""Put service and data back to the start state, in seconds."""

from lab.kube.client import Client
from lab.lifecycle.lab import Lab, require_root
from lab.lifecycle.lock import exclusive
from lab.paths import Paths
from lab.progress import Progress
from lab.service import jobs, rollout, seed
from lab.service.database import Database
from lab.service.names import START_RELEASE
from lab.service.observer import Observer

READY_BOUND_S = 120.0


def reset(paths: Paths, name: str, *, progress: Progress, timeout_s: float = READY_BOUND_S) -> None:
    """Restore the seed and run the start release as it was deployed."""
    require_root("reset")
    with exclusive(paths, name):
        lab = Lab.load(paths, name)
        client = lab.connect()
        told = rollout.configured(client)
        with progress.task("Resetting service and data"):
            reset_service(lab, client, told.profile, told.seed, timeout_s=timeout_s)


def reset_service(lab: Lab, client: Client, profile: str, mark: str, *, timeout_s: float) -> None:
    """Do it with the lab's lock held; works in whatever state service and data are.

    `mark` names the seed that the service is deployed with.
    """
    Observer(client).end_any_run(timeout_s=timeout_s)
    jobs.remove_all(client)
    rollout.stop_all(client)
    seed.restore(Database(lab))
    rollout.apply_service(client, profile, START_RELEASE, mark)
    rollout.wait_ready(client, profile, release=START_RELEASE, timeout_s=timeout_s)
