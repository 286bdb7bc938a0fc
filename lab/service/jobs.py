"""Run a program of the service once, as a Job, and tell how it ended."""

import time
from dataclasses import dataclass
from typing import Any

from lab.artifacts.serviceimages import chirps_tag
from lab.errors import RequestRefused, ServiceNotReady
from lab.kube import apply, manifests
from lab.kube.client import Client
from lab.postgres.roles import DATABASE
from lab.service.names import BASE, BATCH, NAMESPACE

POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Job:
    """One run of `chirps <arguments>` of a release, as the migrations' role, on a database."""

    name: str
    release: str
    arguments: tuple[str, ...]
    database: str = DATABASE


def start(client: Client, job: Job) -> None:
    """Create the Job; one of that name from before is removed first."""
    remove(client, job.name)
    apply.apply_all(
        client,
        manifests.render(
            "migration",
            name=job.name,
            release=job.release,
            image=chirps_tag(job.release),
            args=list(job.arguments),
            database=job.database,
        ),
    )


def run(client: Client, job: Job, *, timeout_s: float) -> None:
    """Start it and return when it has succeeded; raise ServiceNotReady with its last words."""
    start(client, job)
    deadline = time.monotonic() + timeout_s
    while True:
        status = client.get(f"{BATCH}/jobs/{job.name}").get("status", {})
        if status.get("succeeded"):
            remove(client, job.name)
            return
        if status.get("failed"):
            raise ServiceNotReady(
                f"job {job.name} failed: {last_words(client, job.name)}", hint=_logs(job.name)
            )
        if time.monotonic() > deadline:
            raise ServiceNotReady(
                f"job {job.name} did not end within {timeout_s:g} s ({waiting(client, job.name)})",
                hint=_logs(job.name),
            )
        time.sleep(POLL_S)


def remove(client: Client, name: str, *, timeout_s: float = 30) -> None:
    """Delete the Job with its pods, and return when it is gone. Absent is fine."""
    path = f"{BATCH}/jobs/{name}"
    client.delete(path, propagationPolicy="Background")
    client.delete(
        f"{BASE}/pods", labelSelector=f"batch.kubernetes.io/job-name={name}", gracePeriodSeconds="0"
    )
    deadline = time.monotonic() + timeout_s
    while _exists(client, path):
        if time.monotonic() > deadline:
            raise ServiceNotReady(f"job {name} was not gone within {timeout_s:g} s")
        time.sleep(POLL_S)


def remove_all(client: Client) -> None:
    """Remove every migration that was ever started."""
    selector = "app.kubernetes.io/name=migrate"
    for job in client.get(f"{BATCH}/jobs", labelSelector=selector)["items"]:
        remove(client, job["metadata"]["name"])


def last_words(client: Client, name: str) -> str:
    """Return the last line that the Job's newest pod wrote, or why it wrote none."""
    pods = pods_of(client, name)
    if not pods:
        return "it has no pod"
    path = f"{BASE}/pods/{pods[-1]['metadata']['name']}/log"
    try:
        lines = client.text(path, {"tailLines": "5"}).strip().splitlines()
    except RequestRefused as exc:
        return exc.message
    return lines[-1] if lines else "it wrote nothing"


def waiting(client: Client, name: str) -> str:
    """Say what the Job's pod waits for, in the kubelet's words."""
    for pod in pods_of(client, name):
        for container in pod["status"].get("containerStatuses", []):
            state = container["state"].get("waiting")
            if state:
                return f"{state.get('reason', '')} {state.get('message', '')}".strip()
        return f"its pod is {pod['status'].get('phase', 'Unknown')}"
    return "it has no pod"


def pods_of(client: Client, name: str) -> list[dict[str, Any]]:
    found = client.get(f"{BASE}/pods", labelSelector=f"batch.kubernetes.io/job-name={name}")
    items: list[dict[str, Any]] = found["items"]
    return sorted(items, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))


def _exists(client: Client, path: str) -> bool:
    try:
        client.get(path)
    except RequestRefused as exc:
        if exc.status == 404:
            return False
        raise
    return True


def _logs(name: str) -> str:
    return f"lab kubectl -n {NAMESPACE} logs job/{name}"
