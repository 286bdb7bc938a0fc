"""What is a Deployment told, and what of it cannot be?

Read from a profile of manifests/chirps/profiles, under the same names.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lab.errors import InvalidValue

SAFE = "bcdfghjklmnpqrstvwxz2456789"
"""The letters of generated names: none that make a word, none that look alike.

https://github.com/kubernetes/apimachinery/blob/master/pkg/util/rand/rand.go
"""

Variables = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Probe:
    """One HTTP probe; times in seconds.

    Defaults: https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/#configure-probes
    """

    path: str
    period_s: float = 10
    timeout_s: float = 1
    failures: int = 3
    successes: int = 1
    delay_s: float = 0


@dataclass(frozen=True, slots=True)
class Template:
    """What a pod is made from. A ReplicaSet is known by it: a change of it is a new revision."""

    release: str
    variables: Variables = ()

    @property
    def hash(self) -> str:
        """Ten safe letters, as in the label pod-template-hash."""
        digest = hashlib.sha256(repr((self.release, sorted(self.variables))).encode()).digest()
        return "".join(SAFE[byte % len(SAFE)] for byte in digest[:10])


@dataclass(frozen=True, slots=True)
class PodSpec:
    """How each pod is probed and ended; seconds."""

    grace_s: float = 30
    pre_stop_s: float = 0
    startup: Probe | None = None
    readiness: Probe | None = None
    liveness: Probe | None = None


@dataclass(frozen=True, slots=True)
class Spec:
    """`max_surge` and `max_unavailable` are counts here: `resolve` has been applied."""

    template: Template
    replicas: int
    max_surge: int
    max_unavailable: int
    min_ready_s: float = 0
    progress_deadline_s: float = 600
    paused: bool = False
    pod: PodSpec = field(default_factory=PodSpec)
    # As they were written, to be resolved again when `replicas` changes.
    surge: int | str = 0
    unavailable: int | str = 0

    @property
    def at_most(self) -> int:
        """Pods that may be there at once, without those that terminate."""
        return self.replicas + self.max_surge

    @property
    def at_least(self) -> int:
        """Pods that the controller keeps available while it replaces them."""
        return self.replicas - self.max_unavailable


def resolve(surge: int | str, unavailable: int | str, replicas: int) -> tuple[int, int]:
    """Return both as counts: maxSurge is rounded up, maxUnavailable down.

    Both 0 would never move, so one pod may be unavailable then; the API refuses only what
    is written as 0 twice, and a percentage may round to it (ResolveFenceposts in
    k8s.io/kubernetes pkg/controller/deployment/util/deployment_util.go).
    """
    more, fewer = _count(surge, replicas, up=True), _count(unavailable, replicas, up=False)
    if more == fewer == 0:
        fewer = 1
    return more, min(fewer, replicas)


def _count(value: int | str, replicas: int, *, up: bool) -> int:
    if isinstance(value, int):
        return value
    share = replicas * int(value.removesuffix("%"))
    return -(-share // 100) if up else share // 100


def read_spec(profile: Mapping[str, Any], template: Template) -> Spec:
    """Return the spec, or raise InvalidValue with every mistake."""
    reader = Reader(profile)
    replicas = reader.number("replicas", 1, low=0, high=100)
    surge, unavailable = read_strategy(reader)
    spec = Spec(
        template=template,
        replicas=int(replicas),
        max_surge=0,
        max_unavailable=0,
        min_ready_s=reader.number("min_ready_seconds", 0),
        progress_deadline_s=reader.number("progress_deadline_seconds", 600),
        pod=PodSpec(
            grace_s=reader.number("termination_grace_period_seconds", 30),
            pre_stop_s=reader.number("pre_stop_seconds", 0),
            startup=reader.probe("startup_probe", "/startupz"),
            readiness=reader.probe("readiness_probe", "/readyz"),
            liveness=reader.probe("liveness_probe", "/livez"),
        ),
        surge=surge,
        unavailable=unavailable,
    )
    if spec.progress_deadline_s <= spec.min_ready_s:
        # https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#progress-deadline-seconds
        reader.mistakes.append("progress_deadline_seconds must be more than min_ready_seconds")
    reader.refuse("the profile")
    return with_replicas(spec, spec.replicas)


def with_replicas(spec: Spec, replicas: int) -> Spec:
    """Return the spec with another number of pods; percentages are resolved again."""
    more, fewer = resolve(spec.surge, spec.unavailable, replicas)
    return replace(spec, replicas=replicas, max_surge=more, max_unavailable=fewer)


def with_strategy(spec: Spec, told: Mapping[str, Any]) -> Spec:
    """Return the spec with another `max_surge` and `max_unavailable`; raises InvalidValue."""
    reader = Reader(told)
    surge, unavailable = read_strategy(reader)
    reader.refuse("the strategy")
    return with_replicas(replace(spec, surge=surge, unavailable=unavailable), spec.replicas)


def read_strategy(reader: "Reader") -> tuple[int | str, int | str]:
    surge, unavailable = reader.amount("max_surge"), reader.amount("max_unavailable")
    if _is_zero(surge) and _is_zero(unavailable):
        reader.mistakes.append("max_surge and max_unavailable must not both be 0")
    return surge, unavailable


def _is_zero(value: int | str) -> bool:
    return value in (0, "0%")


class Reader:
    """Reads one field after the other, and keeps what is wrong with them in `mistakes`."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = given
        self.mistakes: list[str] = []

    def refuse(self, what: str) -> None:
        """Raise InvalidValue with every mistake, if there is one."""
        if self.mistakes:
            raise InvalidValue(f"{what} has mistakes: {'; '.join(self.mistakes)}")

    def number(self, name: str, default: float, *, low: float = 0, high: float = 3600) -> float:
        value = self._given.get(name, default)
        if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
            return value
        self.mistakes.append(f"{name} is {value!r}: it must be a number from {low:g} to {high:g}")
        return default

    def amount(self, name: str) -> int | str:
        """A count or a percentage; 25 % when not given, as with Kubernetes."""
        value = self._given.get(name, "25%")
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        if isinstance(value, str) and value.endswith("%") and value[:-1].isdecimal():
            return value
        self.mistakes.append(f"{name} is {value!r}: it must be a count or a percentage")
        return 1

    def probe(self, name: str, path: str) -> Probe | None:
        given = self._given.get(name)
        if given is None:
            return None
        if not isinstance(given, Mapping):
            self.mistakes.append(f"{name} is {given!r}: it must be an object or null")
            return None
        inner = Reader(given)
        probe = Probe(
            path,
            period_s=inner.number("period_seconds", 10, low=0.01),
            timeout_s=inner.number("timeout_seconds", 1, low=0.01),
            failures=int(inner.number("failure_threshold", 3, low=1)),
            successes=int(inner.number("success_threshold", 1, low=1)),
            delay_s=inner.number("initial_delay_seconds", 0),
        )
        if name != "readiness_probe" and probe.successes != 1:
            inner.mistakes.append("success_threshold must be 1")
        self.mistakes += [f"{name}: {mistake}" for mistake in inner.mistakes]
        return probe
