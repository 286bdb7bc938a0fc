"""What does a Deployment do next? Pure: values in, values out, no clock of its own.

The rules are those of the controllers, k8s.io/kubernetes pkg/controller/deployment/rolling.go
and sync.go, and of https://kubernetes.io/docs/concepts/workloads/controllers/deployment/.
`reconcile` is one look of the Deployment's controller followed by one look of each
ReplicaSet's; it is called again after each change until it asks for nothing, and at the
time that `next_look` tells.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lab.errors import InvalidValue
from lab.twin import conditions, replicaset, scaling
from lab.twin.conditions import Condition, Status
from lab.twin.replicaset import Pod, ReplicaSet
from lab.twin.scaling import Sets, resized
from lab.twin.spec import Spec, Template, Variables, with_replicas, with_strategy


class RolloutRefused(InvalidValue):
    """kubectl's own refusals of an undo."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """`sets` in the order in which they were made; `generation` counts changes of the spec."""

    name: str
    spec: Spec
    sets: Sets = ()
    generation: int = 1
    observed: int = 0
    status: Status = field(default_factory=Status)
    progressing: Condition | None = None
    available: Condition | None = None

    @property
    def newest(self) -> ReplicaSet | None:
        """The set of the current template; None while a pause keeps it from being made."""
        wanted = self.spec.template
        return next((each for each in self.sets if each.template == wanted), None)

    @property
    def is_complete(self) -> bool:
        return self.observed >= self.generation and conditions.is_complete(self.spec, self.status)

    def told(self, spec: Spec) -> "Deployment":
        """Return it with another spec; the same spec changes nothing, as with `kubectl apply`."""
        if spec == self.spec:
            return self
        return replace(self, spec=spec, generation=self.generation + 1)

    def set_image(self, release: str, variables: Variables | None = None) -> "Deployment":
        kept = self.spec.template.variables if variables is None else variables
        return self.told(replace(self.spec, template=Template(release, kept)))

    def scale(self, replicas: int) -> "Deployment":
        return self.told(with_replicas(self.spec, replicas))

    def set_strategy(self, told: Mapping[str, Any]) -> "Deployment":
        """Change max_surge and max_unavailable; raises InvalidValue for what they cannot be."""
        return self.told(with_strategy(self.spec, told))

    def pause(self) -> "Deployment":
        return self.told(replace(self.spec, paused=True))

    def resume(self) -> "Deployment":
        return self.told(replace(self.spec, paused=False))

    def undo(self) -> "Deployment":
        """Go back to the template before this one, and to nothing else.

        Raises RolloutRefused while paused, and where there is no older one
        (https://kubernetes.io/docs/reference/kubectl/generated/kubectl_rollout/kubectl_rollout_undo/).
        """
        if self.spec.paused:
            raise RolloutRefused("a paused deployment cannot be rolled back; resume it first")
        older = [each for each in self.sets if each.template != self.spec.template]
        if not older:
            raise RolloutRefused(f"no rollout history found for deployment {self.name!r}")
        previous = max(older, key=lambda each: each.revision)
        return self.told(replace(self.spec, template=previous.template))


@dataclass(frozen=True, slots=True)
class Scaled:
    """A set that was given another size."""

    name: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Step:
    """`create` names a set for each pod to make; `delete` names pods."""

    deployment: Deployment
    create: tuple[str, ...] = ()
    delete: tuple[str, ...] = ()
    scaled: tuple[Scaled, ...] = ()

    @property
    def is_idle(self) -> bool:
        return not (self.create or self.delete or self.scaled)


def reconcile(deployment: Deployment, pods: Sequence[Pod], now: float) -> Step:
    """Return what to do at `now` (s), and the deployment as it is told then."""
    found = _with_newest(deployment, now)
    resized_sets = _resize(found, _available_by_set(found, pods, now))
    scaled = tuple(
        Scaled(after.name, _wanted(deployment, after.name), after.wanted)
        for after in resized_sets
        if after.wanted != _wanted(deployment, after.name)
    )
    found = _judge(replace(found, sets=resized_sets), pods, now)
    return Step(
        found,
        create=tuple(s.name for s in found.sets for _ in range(replicaset.shortage(s, pods))),
        delete=tuple(name for s in found.sets for name in replicaset.surplus(s, pods)),
        scaled=scaled,
    )


def next_look(deployment: Deployment, pods: Sequence[Pod], now: float) -> float | None:
    """Return when time alone will change something, in seconds of the same clock."""
    spec = deployment.spec
    moments = [
        pod.ready_since + spec.min_ready_s
        for pod in pods
        if pod.ready_since is not None and not pod.terminating
    ]
    if (end := conditions.deadline(spec, deployment.progressing)) is not None:
        moments.append(end)
    return min((moment for moment in moments if moment > now), default=None)


def _with_newest(found: Deployment, now: float) -> Deployment:
    """See that there is a set of the template, with the highest revision.

    A template that was there before gets its old set back, under a new revision. Paused,
    nothing is made.
    """
    if found.spec.paused:
        return found
    revision = max((each.revision for each in found.sets), default=0)
    newest = found.newest
    if newest is None:
        number = len(found.sets)
        name = f"{found.name}-{found.spec.template.hash}"
        made = ReplicaSet(name, found.spec.template, number, revision + 1)
        return replace(found, sets=(*found.sets, made), progressing=conditions.created(name, now))
    if newest.revision == revision:
        return found
    again = replace(newest, revision=revision + 1)
    return replace(found, sets=tuple(again if s is newest else s for s in found.sets))


def _resize(found: Deployment, available: Mapping[str, int]) -> Sets:
    newest = found.newest
    if found.sets and (found.spec.paused or scaling.is_scaled(found.spec, found.sets)):
        return scaling.share_out(found.spec, found.sets, newest, available)
    if newest is None:
        return found.sets
    size = _size_of_newest(found, newest)
    if size != newest.wanted:
        grown = resized(found.spec, newest, size)
        return tuple(grown if each is newest else each for each in found.sets)
    return _shrink_old(found, newest, available)


def _size_of_newest(found: Deployment, newest: ReplicaSet) -> int:
    """As many as the surge leaves room for (NewRSNewReplicas)."""
    spec = found.spec
    room = spec.at_most - sum(each.wanted for each in found.sets)
    if newest.wanted >= spec.replicas:
        return spec.replicas
    return newest.wanted + max(min(room, spec.replicas - newest.wanted), 0)


def _shrink_old(found: Deployment, newest: ReplicaSet, available: Mapping[str, int]) -> Sets:
    """Take unhealthy old pods first, then as many as availability leaves (reconcileOldReplicaSets).

    New pods that are not available count as if they were to be waited for: else one broken
    release after the other would eat up the pods that serve.
    """
    spec, everything = found.spec, sum(each.wanted for each in found.sets)
    new_unavailable = newest.wanted - available.get(newest.name, 0)
    limit = everything - spec.at_least - new_unavailable
    old = [each for each in found.sets if each is not newest]
    if limit <= 0 or not any(each.wanted for each in old):
        return found.sets
    sizes = {each.name: each.wanted for each in old}
    for each in old:
        unhealthy = max(sizes[each.name] - available.get(each.name, 0), 0)
        limit -= (taken := min(limit, unhealthy))
        sizes[each.name] -= taken
    spare = max(sum(available.values()) - spec.at_least, 0)
    for each in old:
        spare -= (taken := min(spare, sizes[each.name]))
        sizes[each.name] -= taken
    return tuple(
        resized(spec, each, sizes[each.name])
        if each.name in sizes and sizes[each.name] != each.wanted
        else each
        for each in found.sets
    )


def _judge(found: Deployment, pods: Sequence[Pod], now: float) -> Deployment:
    spec, newest = found.spec, found.newest
    status = conditions.count(spec, found.sets, newest, pods, now)
    return replace(
        found,
        observed=found.generation,
        status=status,
        available=conditions.available(spec, status, found.available, now),
        progressing=_progress(found, newest, status, now),
    )


def _progress(
    found: Deployment, newest: ReplicaSet | None, status: Status, now: float
) -> Condition | None:
    previous, spec = found.progressing, found.spec
    timed_out = previous is not None and previous.reason == conditions.TIMED_OUT
    was_paused = previous is not None and previous.reason == "DeploymentPaused"
    if spec.paused:
        return previous if was_paused or timed_out else conditions.paused(now)
    if was_paused:
        return conditions.resumed(now)
    name = newest.name if newest else found.name
    return conditions.progressing(spec, name, found.status, status, previous, now)


def _available_by_set(found: Deployment, pods: Sequence[Pod], now: float) -> dict[str, int]:
    least = found.spec.min_ready_s
    return {
        each.name: sum(pod.is_available(least, now) for pod in replicaset.active(pods, each.name))
        for each in found.sets
    }


def _wanted(found: Deployment, name: str) -> int:
    return next((each.wanted for each in found.sets if each.name == name), 0)
