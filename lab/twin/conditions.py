"""What does a Deployment say of itself: counts, and whether it is available and progressing?

The rules are syncRolloutStatus and its neighbours in k8s.io/kubernetes
pkg/controller/deployment/progress.go and util/deployment_util.go. The progress deadline only
reports: nothing is stopped and nothing rolled back by it
(https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#failed-deployment).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lab.twin.replicaset import Pod, ReplicaSet, active
from lab.twin.spec import Spec

AVAILABLE = "Available"
PROGRESSING = "Progressing"
COMPLETE = "NewReplicaSetAvailable"
TIMED_OUT = "ProgressDeadlineExceeded"


@dataclass(frozen=True, slots=True)
class Condition:
    """`updated` is when progress was last seen, in seconds."""

    type: str
    status: str
    reason: str
    message: str
    updated: float


@dataclass(frozen=True, slots=True)
class Status:
    """Counts of pods that do not terminate."""

    replicas: int = 0
    updated: int = 0
    ready: int = 0
    available: int = 0
    unavailable: int = 0


def count(
    spec: Spec,
    sets: Sequence[ReplicaSet],
    newest: ReplicaSet | None,
    pods: Sequence[Pod],
    now: float,
) -> Status:
    own = [pod for each in sets for pod in active(pods, each.name)]
    available = sum(pod.is_available(spec.min_ready_s, now) for pod in own)
    return Status(
        replicas=len(own),
        updated=len(active(own, newest.name)) if newest else 0,
        ready=sum(pod.ready_since is not None for pod in own),
        available=available,
        unavailable=max(sum(each.wanted for each in sets) - available, 0),
    )


def is_complete(spec: Spec, status: Status) -> bool:
    return spec.replicas == status.updated == status.replicas == status.available


def available(spec: Spec, status: Status, previous: Condition | None, now: float) -> Condition:
    """Whether as many pods are available as a rollout may leave."""
    if status.available >= spec.at_least:
        found = Condition(
            AVAILABLE,
            "True",
            "MinimumReplicasAvailable",
            "Deployment has minimum availability.",
            now,
        )
    else:
        found = Condition(
            AVAILABLE,
            "False",
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
            now,
        )
    return previous if previous and replace(previous, updated=now) == found else found


def created(name: str, now: float) -> Condition:
    """A new ReplicaSet counts as progress: the deadline begins anew."""
    message = f'Created new replica set "{name}"'
    return Condition(PROGRESSING, "True", "NewReplicaSetCreated", message, now)


def paused(now: float) -> Condition:
    return Condition(PROGRESSING, "Unknown", "DeploymentPaused", "Deployment is paused", now)


def resumed(now: float) -> Condition:
    return Condition(PROGRESSING, "Unknown", "DeploymentResumed", "Deployment is resumed", now)


def progressing(
    spec: Spec, name: str, before: Status, status: Status, previous: Condition | None, now: float
) -> Condition | None:
    """Return the condition after a look at the rollout; `name` is its new ReplicaSet."""
    if previous and previous.reason == COMPLETE and status.replicas == status.updated:
        return previous
    if is_complete(spec, status):
        message = f'ReplicaSet "{name}" has successfully progressed.'
        return Condition(PROGRESSING, "True", COMPLETE, message, now)
    if _has_progressed(before, status):
        message = f'ReplicaSet "{name}" is progressing.'
        return Condition(PROGRESSING, "True", "ReplicaSetUpdated", message, now)
    if previous and _is_overdue(spec, previous, now):
        message = f'ReplicaSet "{name}" has timed out progressing.'
        return Condition(PROGRESSING, "False", TIMED_OUT, message, previous.updated)
    return previous


def deadline(spec: Spec, previous: Condition | None) -> float | None:
    """Return when a rollout without progress will be reported, None when it will not be."""
    if spec.paused or previous is None or previous.reason in (COMPLETE, TIMED_OUT):
        return None
    return previous.updated + spec.progress_deadline_s


def _has_progressed(before: Status, status: Status) -> bool:
    return (
        status.updated > before.updated
        or status.replicas - status.updated < before.replicas - before.updated
        or status.ready > before.ready
        or status.available > before.available
    )


def _is_overdue(spec: Spec, previous: Condition, now: float) -> bool:
    if previous.reason == COMPLETE:
        return False
    return previous.reason == TIMED_OUT or previous.updated + spec.progress_deadline_s < now
