"""Take a pod away, as `kubectl delete pod` does; its ReplicaSet makes another at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from lab.faults.effect import after_request
from lab.scenario.history import History
from lab.scenario.needs import Need


class CanDeletePod(Protocol):
    """A stage whose pods are on nodes that can be told apart."""

    def delete_pods_on(self, node: str) -> None:
        """Delete the service's pods there with their grace period; do not wait for the end."""
        ...


@dataclass(frozen=True, slots=True)
class DeletePod:
    """Delete the service's pod on `node`. No disruption budget is asked for a deletion.

    What takes its place is likely to come to the same node, where none is left:
    https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/
    """

    needs: ClassVar[tuple[Need, ...]] = (Need.NODES,)

    node: str

    @property
    def name(self) -> str:
        return f"delete pod on {self.node}"

    @property
    def lasting(self) -> bool:
        return False

    def describe(self) -> str:
        return f"delete the service's pod on {self.node}"

    def undo(self) -> Mapping[str, Any]:
        return {"nothing": self.name}

    def inject(self, stage: CanDeletePod) -> None:
        stage.delete_pods_on(self.node)

    def is_observed(self, history: History) -> bool:
        """A pod there is on its way out, or gone."""
        pods = after_request(history, self.name, "pod")
        return any(
            pod.get("node") == self.node and (pod.get("terminating") or pod["type"] == "DELETED")
            for pod in pods
        )

    def recover(self, stage: CanDeletePod) -> None:
        """Its ReplicaSet has put another in its place."""
