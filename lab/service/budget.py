"""What does the service's disruption budget ask for, as the cluster was told?"""

from collections.abc import Mapping
from typing import Any

from lab.kube.client import Client
from lab.service.names import NAMESPACE

PATH = f"/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets/chirps"


def facts(client: Client, replicas: int) -> dict[str, Any]:
    """Return how many pods must stay healthy, and what is allowed to those that are not."""
    spec = client.get(PATH)["spec"]
    return {
        "desired_healthy": desired_healthy(spec, replicas),
        "unhealthy_pods": spec.get("unhealthyPodEvictionPolicy", "IfHealthyBudget"),
    }


def desired_healthy(spec: Mapping[str, Any], replicas: int) -> int:
    """Return the count that an eviction must leave, of `replicas` that are wanted.

    Percentages are rounded up, of what is available as of what is not:
    https://kubernetes.io/docs/tasks/run-application/configure-pdb/#rounding-logic-when-specifying-percentages
    """
    if "minAvailable" in spec:
        return _count(spec["minAvailable"], replicas)
    return max(0, replicas - _count(spec["maxUnavailable"], replicas))


def _count(value: int | str, of: int) -> int:
    if isinstance(value, int):
        return value
    return -(-of * int(value.removesuffix("%")) // 100)
