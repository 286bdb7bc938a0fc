"""When does a pod that runs have what its Secret holds now?

By itself a kubelet looks once in a while, a minute or more. A changed annotation of the pod makes
it look at once ("You can trigger an immediate refresh by updating one of the Pod's annotations",
https://kubernetes.io/docs/tasks/configure-pod-container/configure-pod-configmap/#mounted-configmaps-are-updated-automatically).
It may not have heard of the Secret's change by then, so the file is looked at, and the pod
annotated anew until it is right.
"""

import secrets
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any

from lab.errors import RequestRefused
from lab.kube.client import Client
from lab.lifecycle.access import kubectl_program
from lab.lifecycle.lab import Lab
from lab.service.names import BASE, NAMESPACE
from lab.service.rollout import pods

FILE = "/etc/postgres/password"
ANNOTATION = "lab.local/secret-looked-at"
RELEASE = "app.kubernetes.io/version"
NOT_FOUND = 404
LOOK_BOUND_S = 8.0
AGAIN_AFTER_S = 1.0
# What is expected comes by standard input: arguments are shown to whoever may list processes.
# `read` fails at the end of a file without a newline, and has read it all the same.
SCRIPT = f'read -r want; read -r have < {FILE} || :; [ "$have" = "$want" ]'

Holds = Callable[[str, str], bool]
"""Tell whether a pod of that name has this password in its file."""


def spread(
    client: Client, holds: Holds, release: str, password: str, *, within_s: float
) -> list[str]:
    """Return the names of running pods that were not seen to have it in time; none is good."""
    deadline = time.monotonic() + within_s
    while left := _left(client, holds, release, password):
        if time.monotonic() > deadline:
            return left
        time.sleep(AGAIN_AFTER_S)
    return []


def _left(client: Client, holds: Holds, release: str, password: str) -> list[str]:
    running = []
    for pod in pods_of(client, release):
        nudge(client, pod["metadata"]["name"])
        running += [pod["metadata"]["name"]] * is_running(pod)
    return [name for name in running if not holds(name, password)]


def pods_of(client: Client, release: str) -> list[dict[str, Any]]:
    """Return the service's pods of `release` that are not on their way out."""
    return [
        pod
        for pod in pods(client)
        if pod["metadata"]["labels"].get(RELEASE) == release
        and not pod["metadata"].get("deletionTimestamp")
    ]


def is_running(pod: dict[str, Any]) -> bool:
    """Tell whether it can be looked into; one that waits reads its file when it starts."""
    containers = pod["status"].get("containerStatuses", [])
    return bool(containers) and all("running" in each["state"] for each in containers)


def nudge(client: Client, pod: str) -> None:
    """Have its kubelet look at what it mounts; a pod that is gone meanwhile mounts nothing."""
    changed = {"metadata": {"annotations": {ANNOTATION: secrets.token_hex(8)}}}
    try:
        client.merge(f"{BASE}/pods/{pod}", changed)
    except RequestRefused as exc:
        if exc.status != NOT_FOUND:
            raise


def looking_into(lab: Lab) -> Holds:
    kubectl, environment = kubectl_program(lab)

    def holds(pod: str, password: str) -> bool:
        try:
            done = subprocess.run(
                looking_command(kubectl, pod),
                input=f"{password}\n",
                capture_output=True,
                text=True,
                timeout=LOOK_BOUND_S,
                env=environment,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0

    return holds


def looking_command(kubectl: Sequence[str], pod: str) -> list[str]:
    return [*kubectl, "exec", "-i", "--quiet", "-n", NAMESPACE, pod, "--", "sh", "-c", SCRIPT]
