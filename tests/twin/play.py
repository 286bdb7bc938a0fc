"""A Deployment on fake time: pods that get ready when a test says so, or after a while."""

from dataclasses import replace
from typing import Any

from lab.twin.deployment import Deployment, next_look, reconcile
from lab.twin.replicaset import Pod
from lab.twin.spec import Template, read_spec

GOOD: dict[str, Any] = {
    "replicas": 4,
    "max_surge": 1,
    "max_unavailable": 0,
    "min_ready_seconds": 5,
    "progress_deadline_seconds": 60,
}
LIMIT = 1000


def make(release: str = "v1", **profile: Any) -> "Play":
    return Play(Deployment("chirps", read_spec({**GOOD, **profile}, Template(release))))


class Play:
    """`pods` are those that there are; a deleted one stays `grace_s` as terminating.

    Releases in `never_ready` never get ready, others `ready_after` seconds after their start.
    """

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.pods: list[Pod] = []
        self.now = 0.0
        self.ready_after = 4.0
        self.never_ready: set[str] = set()
        self.grace_s = 0.0
        self._made = 0
        self._ends: dict[str, float] = {}
        self.counts: list[tuple[float, int, int]] = []
        """Time, pods that do not terminate, available ones: after each step."""

    def release_of(self, pod: Pod) -> str:
        owner = next(each for each in self.deployment.sets if each.name == pod.owner)
        return owner.template.release

    def releases(self, *, ready: bool = False) -> list[str]:
        return sorted(
            self.release_of(pod) for pod in self.active if pod.ready_since is not None or not ready
        )

    @property
    def active(self) -> list[Pod]:
        return [pod for pod in self.pods if not pod.terminating]

    def available(self) -> int:
        least = self.deployment.spec.min_ready_s
        return sum(pod.is_available(least, self.now) for pod in self.active)

    def settle(self) -> None:
        """Let the controllers look until they ask for nothing."""
        for _ in range(LIMIT):
            step = reconcile(self.deployment, self.pods, self.now)
            self.deployment = step.deployment
            for owner in step.create:
                self._made += 1
                self.pods.append(Pod(f"pod-{self._made}", owner, self.now, node="n3"))
            for name in step.delete:
                self.end(name)
            self.counts.append((self.now, len(self.active), self.available()))
            if step.is_idle:
                return
        raise AssertionError("the controllers never come to rest")

    def end(self, name: str) -> None:
        self.pods = [
            replace(pod, terminating=True) if pod.name == name else pod for pod in self.pods
        ]
        self._ends[name] = self.now + self.grace_s
        self._remove_ended()

    def set_ready(self, name: str, *, ready: bool) -> None:
        since = self.now if ready else None
        self.pods = [
            replace(pod, ready_since=since) if pod.name == name else pod for pod in self.pods
        ]

    def run(self, until: float) -> None:
        """Go on to `until`, from one moment at which something happens to the next."""
        self.settle()
        while (moment := self._next_moment()) is not None and moment <= until:
            self.now = moment
            self._remove_ended()
            for pod in self.active:
                if pod.ready_since is None and self._gets_ready(pod) <= self.now:
                    self.set_ready(pod.name, ready=True)
            self.settle()
        self.now = until
        self.settle()

    def _next_moment(self) -> float | None:
        # A release that may get ready all of a sudden does so now.
        starts = [
            max(self._gets_ready(pod), self.now + 0.001)
            for pod in self.active
            if pod.ready_since is None
        ]
        look = next_look(self.deployment, self.pods, self.now)
        moments = [*starts, *self._ends.values(), *([look] if look is not None else [])]
        return min((m for m in moments if self.now < m < float("inf")), default=None)

    def _gets_ready(self, pod: Pod) -> float:
        never = self.release_of(pod) in self.never_ready
        return float("inf") if never else pod.created + self.ready_after

    def _remove_ended(self) -> None:
        gone = {name for name, end in self._ends.items() if end <= self.now}
        self.pods = [pod for pod in self.pods if pod.name not in gone]
        self._ends = {name: end for name, end in self._ends.items() if name not in gone}
