"""How are pods shared out when a Deployment is scaled, also in the middle of a rollout?

Proportionally: a ReplicaSet that does not get ready gets its share of the new pods too
(https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#proportional-scaling).
The rules are `scale` in k8s.io/kubernetes pkg/controller/deployment/sync.go and
GetReplicaSetProportion in util/deployment_util.go.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lab.twin.replicaset import ReplicaSet
from lab.twin.spec import Spec

Sets = tuple[ReplicaSet, ...]


def is_scaled(spec: Spec, sets: Sequence[ReplicaSet]) -> bool:
    """Whether the Deployment wants another number of pods than when it scaled a set."""
    return any(each.wanted > 0 and each.desired != spec.replicas for each in sets)


def resized(spec: Spec, found: ReplicaSet, wanted: int) -> ReplicaSet:
    return replace(found, wanted=wanted, desired=spec.replicas, most=spec.at_most)


def share_out(
    spec: Spec, sets: Sets, newest: ReplicaSet | None, available: Mapping[str, int]
) -> Sets:
    """Return the sets with new sizes; `available` counts pods by name of their set."""
    filled = [each for each in sets if each.wanted > 0]
    if len(filled) <= 1:
        only = filled[0] if filled else newest or max(sets, key=lambda each: each.number)
        return _replaced(sets, resized(spec, only, spec.replicas))
    if newest and _is_saturated(spec, newest, available):
        return tuple(each if each.name == newest.name else resized(spec, each, 0) for each in sets)
    return _replaced(sets, *_by_proportion(spec, filled))


def _is_saturated(spec: Spec, newest: ReplicaSet, available: Mapping[str, int]) -> bool:
    counts = (newest.desired, newest.wanted, available.get(newest.name, 0))
    return all(count == spec.replicas for count in counts)


def _by_proportion(spec: Spec, filled: Sequence[ReplicaSet]) -> list[ReplicaSet]:
    allowed = spec.at_most if spec.replicas > 0 else 0
    to_add = allowed - sum(each.wanted for each in filled)
    # Larger ones first; of two of a size the newer one grows and the older one shrinks.
    newer_first = -1 if to_add > 0 else 1
    ordered = sorted(filled, key=lambda each: (-each.wanted, newer_first * each.number))
    added, sizes = 0, []
    for each in ordered:
        part = _proportion(spec, each, to_add, added)
        sizes.append(each.wanted + part)
        added += part
    # What rounding left goes to the largest.
    sizes[0] = max(sizes[0] + to_add - added, 0)
    return [resized(spec, each, size) for each, size in zip(ordered, sizes, strict=True)]


def _proportion(spec: Spec, found: ReplicaSet, to_add: int, added: int) -> int:
    if to_add == 0:
        return 0
    left = to_add - added
    fraction = _fraction(spec, found)
    return min(fraction, left) if to_add > 0 else max(fraction, left)


def _fraction(spec: Spec, found: ReplicaSet) -> int:
    """Return by how much the set would grow if all grew alike."""
    if spec.replicas == 0:
        return -found.wanted
    size = found.wanted * spec.at_most / (found.most or spec.at_most)
    return int(size + 0.5) - found.wanted


def _replaced(sets: Sets, *changed: ReplicaSet) -> Sets:
    by_name = {each.name: each for each in changed}
    return tuple(by_name.get(each.name, each) for each in sets)
