"""Take the database away from everybody, and give it back with the same data."""

import time

from lab.errors import ClusterError, DatabaseRefused, ServiceNotReady
from lab.kube.client import Client
from lab.lifecycle.lab import Lab
from lab.service import deploy
from lab.service.database import Database
from lab.service.names import APPS, NAMESPACE, POSTGRES_POD

STATEFUL_SET = f"{APPS}/statefulsets/postgres"
POLL_S = 0.2


def stop(client: Client) -> None:
    """Want no pod of it: the one there is ends in order, and none comes back.

    A pod that is merely deleted would be replaced at once. Its container is stopped by SIGINT,
    PostgreSQL's fast shutdown.
    """
    client.merge(STATEFUL_SET, {"spec": {"replicas": 0}})


def start(client: Client) -> None:
    client.merge(STATEFUL_SET, {"spec": {"replicas": 1}})


def wait_until_it_answers(lab: Lab, client: Client, *, timeout_s: float) -> None:
    """Return when its pod is Ready and a statement is answered; raises ServiceNotReady."""
    deadline = time.monotonic() + timeout_s
    deploy.wait_for_pod(client, POSTGRES_POD, "postgres", timeout_s=timeout_s)
    while problem := _problem(lab):
        if time.monotonic() > deadline:
            raise ServiceNotReady(
                f"the database did not answer again within {timeout_s:g} s: {problem}",
                hint=f"lab kubectl -n {NAMESPACE} logs {POSTGRES_POD}",
            )
        time.sleep(POLL_S)


def _problem(lab: Lab) -> str:
    try:
        Database(lab).value("SELECT 1")
    except (DatabaseRefused, ClusterError, ServiceNotReady) as exc:
        return exc.message
    return ""
