"""Move the Deployment as kubectl does: pause, resume, undo, scale, another strategy."""

from collections.abc import Mapping, Sequence
from typing import Any

from lab.kube.client import Client
from lab.service import rollout
from lab.service.names import APPS, DEPLOYMENT
from lab.service.rollout import SELECTOR, Template

REVISION = "deployment.kubernetes.io/revision"
PAUSED = "you cannot rollback a paused deployment; resume it first"
NO_HISTORY = "no rollout history found for the deployment"


def pause(client: Client) -> None:
    _change(client, {"paused": True})


def resume(client: Client) -> None:
    _change(client, {"paused": False})


def scale(client: Client, replicas: int) -> None:
    _change(client, {"replicas": replicas})


def set_strategy(client: Client, max_surge: int | str, max_unavailable: int | str) -> None:
    rolling = {"maxSurge": max_surge, "maxUnavailable": max_unavailable}
    _change(client, {"strategy": {"rollingUpdate": rolling}})


def undo(client: Client) -> str:
    """Put the template before this one back; return why it is refused, empty when done.

    The API knows no undo: kubectl looks for the ReplicaSet with the second newest revision
    and writes its template and annotations into the Deployment, whose size and strategy stay
    (k8s.io/kubectl pkg/polymorphichelpers/rollback.go). So does this, but by `apply`: what
    another writer had put into the template, the next release could not take out again.
    """
    deployment = rollout.find(client)
    sets = client.get(f"{APPS}/replicasets", labelSelector=SELECTOR)["items"]
    before = previous(sets)
    if before is None:
        return NO_HISTORY
    if deployment["spec"].get("paused"):
        return PAUSED
    rollout.apply_service(client, template_of(before, rollout.read(deployment)))
    return ""


def previous(sets: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the ReplicaSet of the second newest revision, None where there is none."""
    newest_first = sorted((each for each in sets if _revision(each)), key=_revision, reverse=True)
    return newest_first[1] if len(newest_first) > 1 else None


def template_of(found: Mapping[str, Any], told: rollout.Configured) -> Template:
    """Return what the ReplicaSet was made from, in the size and strategy that are there.

    Its annotations are those that the Deployment had when its template was the newest.
    """
    then = rollout.noted(found["metadata"].get("annotations", {}))
    release = found["spec"]["template"]["metadata"]["labels"][rollout.RELEASE_LABEL]
    kept = rollout.kept_overrides(then.profile, then.overrides, told)
    return Template(release, then.profile, then.mark, kept, then.variables)


def _revision(found: Mapping[str, Any]) -> int:
    return int(found["metadata"].get("annotations", {}).get(REVISION, 0))


def _change(client: Client, spec: Mapping[str, Any]) -> None:
    rollout.find(client)
    client.merge(DEPLOYMENT, {"spec": dict(spec)})
