"""The Deployment of the sample service: which release it runs, and when it runs it."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lab.artifacts.serviceimages import chirps_tag
from lab.errors import RequestRefused, ServiceNotDeployed, ServiceNotReady
from lab.kube import apply, manifests
from lab.kube.client import Client
from lab.lifecycle.publish import SERVICE
from lab.service.names import BASE, DEPLOYMENT, NAMESPACE

POLL_S = 0.2
SELECTOR = "app.kubernetes.io/name=chirps"
RELEASE_LABEL = "app.kubernetes.io/version"
PROFILE = "lab.local/profile"
SEED = "lab.local/seed"
OVERRIDES = "lab.local/overrides"
VARIABLES = "lab.local/variables"
PROBED = {
    "period_seconds": "periodSeconds",
    "timeout_seconds": "timeoutSeconds",
    "failure_threshold": "failureThreshold",
}


@dataclass(frozen=True, slots=True)
class Configured:
    """What the cluster says it was told; counts of pods, times in seconds.

    `overrides` are fields of the profile that were set otherwise, `variables` policies of the
    service (CHIRPS_GATE, ...).
    """

    release: str
    profile: str
    seed: str
    overrides: Mapping[str, Any]
    variables: Mapping[str, str]
    replicas: int
    max_surge: int | str
    max_unavailable: int | str
    min_ready_s: int
    progress_deadline_s: int
    grace_s: int
    pre_stop_s: int
    readiness_probe: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Template:
    """What the service is to be: `mark` names the seed and the build that it belongs to."""

    release: str
    profile: str
    mark: str
    overrides: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Noted:
    """What the annotations of a Deployment, or of a ReplicaSet of it, say of its template."""

    profile: str
    mark: str
    overrides: Mapping[str, Any]
    variables: Mapping[str, str]


def noted(annotations: Mapping[str, str]) -> Noted:
    return Noted(
        profile=annotations.get(PROFILE, ""),
        mark=annotations.get(SEED, ""),
        overrides=json.loads(annotations.get(OVERRIDES, "{}")),
        variables=json.loads(annotations.get(VARIABLES, "{}")),
    )


def template_of(told: Configured, release: str, variables: Mapping[str, str] | None) -> Template:
    """Return what is there with another release; variables that are None stay."""
    kept = kept_overrides(told.profile, told.overrides, told)
    given = told.variables if variables is None else variables
    return Template(release, told.profile, told.seed, kept, given)


def kept_overrides(profile: str, overrides: Mapping[str, Any], told: Configured) -> dict[str, Any]:
    """Return `overrides` with the size and strategy that are there.

    Another release changes neither, also when they were changed by hand since.
    """
    meant = manifests.read_values("chirps", profile) | dict(overrides)
    there = {
        "replicas": told.replicas,
        "max_surge": told.max_surge,
        "max_unavailable": told.max_unavailable,
    }
    changed = {name: value for name, value in there.items() if meant[name] != value}
    return {**overrides, **changed}


def apply_service(client: Client, wanted: Template) -> None:
    """Apply Service, disruption budget and Deployment; a running one is rolled over."""
    values = manifests.read_values("chirps", wanted.profile) | dict(wanted.overrides)
    apply.apply_all(
        client,
        manifests.render(
            "chirps",
            **values,
            profile=wanted.profile,
            overrides=dict(wanted.overrides),
            variables=dict(wanted.variables),
            seed=wanted.mark,
            release=wanted.release,
            image=chirps_tag(wanted.release),
            node_port=SERVICE.port,
        ),
    )


def find(client: Client) -> dict[str, Any]:
    """Return the Deployment object, or raise ServiceNotDeployed."""
    try:
        return client.get(DEPLOYMENT)
    except RequestRefused as exc:
        if exc.status == 404:
            raise ServiceNotDeployed(
                "the sample service is not deployed", hint="sudo lab deploy"
            ) from exc
        raise


def configured(client: Client) -> Configured:
    """Read back what the Deployment was told: formulas use this and never what was meant."""
    return read(find(client))


def read(deployment: Mapping[str, Any]) -> Configured:
    """Return what the Deployment object says."""
    spec, told = deployment["spec"], noted(deployment["metadata"].get("annotations", {}))
    pod = spec["template"]["spec"]
    rolling = spec["strategy"]["rollingUpdate"]
    hook = pod["containers"][0].get("lifecycle", {}).get("preStop", {})
    return Configured(
        release=spec["template"]["metadata"]["labels"][RELEASE_LABEL],
        profile=told.profile,
        seed=told.mark,
        overrides=told.overrides,
        variables=told.variables,
        replicas=spec["replicas"],
        max_surge=rolling["maxSurge"],
        max_unavailable=rolling["maxUnavailable"],
        min_ready_s=spec.get("minReadySeconds", 0),
        progress_deadline_s=spec["progressDeadlineSeconds"],
        grace_s=pod["terminationGracePeriodSeconds"],
        pre_stop_s=hook.get("sleep", {}).get("seconds", 0),
        readiness_probe=_probe(pod["containers"][0].get("readinessProbe")),
    )


def _probe(told: Mapping[str, Any] | None) -> dict[str, int]:
    """Return seconds and a count under the names of a profile; empty where nothing is probed."""
    return {name: told[key] for name, key in PROBED.items() if key in told} if told else {}


def resolve(value: int | str, replicas: int, *, up: bool) -> int:
    """Return a count for a count or percentage: maxSurge is rounded up, maxUnavailable down.

    Source: https://kubernetes.io/docs/concepts/workloads/controllers/deployment/
    """
    if isinstance(value, int):
        return value
    share = replicas * int(value.removesuffix("%"))
    return -(-share // 100) if up else share // 100


def pods(client: Client) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = client.get(f"{BASE}/pods", labelSelector=SELECTOR)["items"]
    return items


def delete_pods_on(client: Client, node: str) -> None:
    """Delete the service's pods there, with their grace; do not wait for their end."""
    for pod in pods(client):
        if pod["spec"].get("nodeName") == node:
            client.delete(f"{BASE}/pods/{pod['metadata']['name']}")


def stop_all(client: Client, *, timeout_s: float = 60) -> None:
    """Scale to nothing and end every pod at once: nobody is served, so nobody needs grace.

    Without a Deployment there is nothing to scale, and that is fine.
    """
    try:
        client.merge(DEPLOYMENT, {"spec": {"replicas": 0, "paused": False}})
    except RequestRefused as exc:
        if exc.status != 404:
            raise
    deadline = time.monotonic() + timeout_s
    while pods(client):
        client.delete(f"{BASE}/pods", labelSelector=SELECTOR, gracePeriodSeconds="0")
        if time.monotonic() > deadline:
            raise ServiceNotReady(
                f"pods of the service were not gone within {timeout_s:g} s", hint=_look()
            )
        time.sleep(POLL_S)


def values_of(profile: str) -> Mapping[str, Any]:
    return manifests.read_values("chirps", profile)


def replicas_of(profile: str) -> int:
    return int(values_of(profile)["replicas"])


def wait_ready(client: Client, wanted: int, *, release: str, timeout_s: float) -> None:
    """Return when `wanted` pods are Ready, all of the release, and no other is there.

    The Deployment's own count is not asked: one that was scaled to nothing would be content.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        found = pods(client)
        missing = judge(found, release=release, wanted=wanted)
        if not missing:
            return
        if time.monotonic() > deadline:
            raise ServiceNotReady(
                f"the service did not become ready within {timeout_s:g} s: {missing}", hint=_look()
            )
        time.sleep(POLL_S)


def judge(found: Sequence[dict[str, Any]], *, release: str, wanted: int) -> str:
    """Return what keeps the service from being ready, empty when nothing does."""
    others = [pod for pod in found if pod["metadata"]["labels"].get(RELEASE_LABEL) != release]
    if others:
        return f"{len(others)} pods of another release than {release}"
    ready = [pod for pod in found if is_ready(pod)]
    if len(ready) == wanted == len(found):
        return ""
    reasons = sorted({reason for pod in found if (reason := waits_for(pod))})
    said = f" ({'; '.join(reasons)})" if reasons else ""
    return f"{len(ready)} of {wanted} pods are Ready{said}"


def is_ready(pod: dict[str, Any]) -> bool:
    conditions = {c["type"]: c["status"] for c in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def waits_for(pod: dict[str, Any]) -> str:
    """Return why a container of the pod does not run, in the kubelet's words."""
    for container in pod["status"].get("containerStatuses", []):
        waiting = container["state"].get("waiting")
        if waiting:
            return f"{waiting.get('reason', '')} {waiting.get('message', '')}".strip()
    for condition in pod["status"].get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return str(condition.get("message", "not scheduled"))
    return ""


def _look() -> str:
    return f"lab kubectl -n {NAMESPACE} get pods; lab kubectl -n {NAMESPACE} get events"
