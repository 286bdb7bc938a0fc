"""What of an object of the cluster goes into a line?"""

from collections.abc import Mapping, Sequence
from typing import Any

Object = Mapping[str, Any]
Line = dict[str, Any]

RELEASE = "app.kubernetes.io/version"
APP = "app.kubernetes.io/name"


def pod(found: Object) -> Line:
    metadata, status = _metadata(found), _status(found)
    labels = metadata.get("labels") or {}
    containers = status.get("containerStatuses") or []
    return {
        "name": metadata["name"],
        "uid": metadata["uid"],
        "app": labels.get(APP),
        "release": labels.get(RELEASE),
        "node": (found.get("spec") or {}).get("nodeName"),
        "phase": status.get("phase"),
        "ready": _is_true(status, "Ready"),
        "terminating": "deletionTimestamp" in metadata,
        "restarts": sum(each.get("restartCount", 0) for each in containers),
        "reason": _pod_reason(status, containers),
    }


def _pod_reason(status: Object, containers: Sequence[Object]) -> str | None:
    """Why it waits; else why it ended; else why it ended the last time."""
    for when, state in (("state", "waiting"), ("state", "terminated"), ("lastState", "terminated")):
        for each in containers:
            if reason := ((each.get(when) or {}).get(state) or {}).get("reason"):
                return str(reason)
    reason = status.get("reason")
    return str(reason) if reason else None


def replicaset(found: Object) -> Line:
    status = _status(found)
    return {
        "name": _metadata(found)["name"],
        "release": _template_label(found, RELEASE),
        "replicas": status.get("replicas", 0),
        "ready": status.get("readyReplicas", 0),
        "available": status.get("availableReplicas", 0),
    }


def deployment(found: Object) -> Line:
    metadata, status = _metadata(found), _status(found)
    return {
        "name": metadata["name"],
        "release": _template_label(found, RELEASE),
        "replicas": status.get("replicas", 0),
        "updated": status.get("updatedReplicas", 0),
        "ready": status.get("readyReplicas", 0),
        "available": status.get("availableReplicas", 0),
        "unavailable": status.get("unavailableReplicas", 0),
        "generation": metadata.get("generation", 0),
        "observed": status.get("observedGeneration", 0),
        "paused": bool((found.get("spec") or {}).get("paused")),
        "conditions": _conditions(status),
    }


def job(found: Object) -> Line:
    status = _status(found)
    return {
        "name": _metadata(found)["name"],
        "active": status.get("active", 0),
        "succeeded": status.get("succeeded", 0),
        "failed": status.get("failed", 0),
        "conditions": _conditions(status),
    }


def node(found: Object) -> Line:
    ready = _condition(_status(found), "Ready")
    return {
        "name": _metadata(found)["name"],
        "ready": ready.get("status") == "True",
        "reason": ready.get("reason"),
        "taints": [_taint(each) for each in (found.get("spec") or {}).get("taints") or []],
    }


def _taint(taint: Object) -> str:
    """Spell it as kubectl does: key=value:effect."""
    value = f"={taint['value']}" if taint.get("value") else ""
    return f"{taint['key']}{value}:{taint['effect']}"


def event(found: Object) -> Line:
    about = found.get("involvedObject") or {}
    series = found.get("series") or {}
    return {
        "type": found.get("type"),
        "reason": found.get("reason"),
        "object": f"{about.get('kind')}/{about.get('name')}",
        "message": found.get("message"),
        "count": series.get("count") or found.get("count") or 1,
    }


def endpoints(found: Object) -> list[Line]:
    """Return the endpoints of one slice.

    A condition that is not there counts as the API says: ready and serving are true then,
    terminating is false.
    """
    result = []
    for each in found.get("endpoints") or []:
        conditions = each.get("conditions") or {}
        ready = conditions.get("ready") is not False
        serving = conditions.get("serving")
        result.append(
            {
                "pod": (each.get("targetRef") or {}).get("name"),
                "address": (each.get("addresses") or [None])[0],
                "node": each.get("nodeName"),
                "ready": ready,
                "serving": ready if serving is None else bool(serving),
                "terminating": bool(conditions.get("terminating")),
            }
        )
    return result


def _metadata(found: Object) -> Object:
    metadata: Object = found["metadata"]
    return metadata


def _status(found: Object) -> Object:
    return found.get("status") or {}


def _template_label(found: Object, label: str) -> str | None:
    template = (found.get("spec") or {}).get("template") or {}
    value = ((template.get("metadata") or {}).get("labels") or {}).get(label)
    return str(value) if value is not None else None


def _condition(status: Object, kind: str) -> Object:
    for each in status.get("conditions") or []:
        if each.get("type") == kind:
            found: Object = each
            return found
    return {}


def _is_true(status: Object, kind: str) -> bool:
    return _condition(status, kind).get("status") == "True"


def _conditions(status: Object) -> list[Line]:
    names = ("type", "status", "reason", "message")
    return [{name: each.get(name) for name in names} for each in status.get("conditions") or []]
