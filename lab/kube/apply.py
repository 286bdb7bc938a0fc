"""Put manifests on a cluster: server-side apply, one object after the other."""

from collections.abc import Iterable
from typing import Any

from lab.kube.client import Client, Object

# The plurals the API uses in its paths, and whether a kind lives in a namespace.
_KINDS = {
    "Namespace": ("namespaces", False),
    "ServiceAccount": ("serviceaccounts", True),
    "ConfigMap": ("configmaps", True),
    "Secret": ("secrets", True),
    "Service": ("services", True),
    "Pod": ("pods", True),
    "Deployment": ("deployments", True),
    "StatefulSet": ("statefulsets", True),
    "Job": ("jobs", True),
    "PodDisruptionBudget": ("poddisruptionbudgets", True),
    "ClusterRole": ("clusterroles", False),
    "ClusterRoleBinding": ("clusterrolebindings", False),
}


def apply_all(client: Client, objects: Iterable[Object]) -> None:
    for item in objects:
        client.apply(path_of(item), item)


def path_of(item: dict[str, Any]) -> str:
    """Return the API path of an object."""
    plural, namespaced = _KINDS[item["kind"]]
    version = item["apiVersion"]
    base = f"/api/{version}" if "/" not in version else f"/apis/{version}"
    metadata = item["metadata"]
    scope = f"/namespaces/{metadata['namespace']}" if namespaced else ""
    return f"{base}{scope}/{plural}/{metadata['name']}"
