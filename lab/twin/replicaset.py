"""Which pods does a ReplicaSet make or delete, and which of them count?"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from lab.twin.spec import Template


@dataclass(frozen=True, slots=True)
class Pod:
    """What a controller sees of a pod; times in seconds of one monotonic clock.

    `owner` is the name of its ReplicaSet. A pod that terminates is not counted by anyone:
    controllers look at pods without a deletion timestamp only (FilterActivePods in
    k8s.io/kubernetes pkg/controller/controller_utils.go).
    """

    name: str
    owner: str
    created: float
    node: str = ""
    ready_since: float | None = None
    restarts: int = 0
    terminating: bool = False

    def is_available(self, min_ready_s: float, now: float) -> bool:
        """Ready for at least minReadySeconds.

        https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#min-ready-seconds
        """
        return self.ready_since is not None and self.ready_since + min_ready_s <= now


@dataclass(frozen=True, slots=True)
class ReplicaSet:
    """`wanted` pods of one template. `number` grows with each that is made.

    `desired` and `most` are what the Deployment wanted, and allowed with its surge, when it
    last scaled this one (annotations desired-replicas and max-replicas): by them it sees
    that it was scaled itself, and by how much.
    """

    name: str
    template: Template
    number: int
    revision: int
    wanted: int = 0
    desired: int = 0
    most: int = 0


def active(pods: Iterable[Pod], owner: str) -> list[Pod]:
    return [pod for pod in pods if pod.owner == owner and not pod.terminating]


def surplus(found: ReplicaSet, pods: Sequence[Pod]) -> list[str]:
    """Return the names of pods to delete, those first that would be missed least."""
    own = sorted(active(pods, found.name), key=_missed_least(pods))
    return [pod.name for pod in own[: max(len(own) - found.wanted, 0)]]


def shortage(found: ReplicaSet, pods: Sequence[Pod]) -> int:
    """Return how many pods to make."""
    return max(found.wanted - len(active(pods, found.name)), 0)


def _missed_least(pods: Sequence[Pod]) -> Callable[[Pod], tuple[float, ...]]:
    """Order: not ready; on a node with more pods; ready for less time; restarted more; newer.

    ActivePodsWithRanks in k8s.io/kubernetes pkg/controller/controller_utils.go, without the
    deletion cost, which nobody sets here, and with exact times where it compares powers of
    two of them.
    """
    on_node = Counter(pod.node for pod in pods if not pod.terminating)

    def rank(pod: Pod) -> tuple[float, ...]:
        since = pod.ready_since
        return (
            since is not None,
            -on_node[pod.node],
            -(since or 0),
            -pod.restarts,
            -pod.created,
        )

    return rank
