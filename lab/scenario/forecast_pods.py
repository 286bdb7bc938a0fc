"""Which pods are ready in which second of a rollout, and whom do requests meet?

The controller's rules, played in advance with the numbers that were read back:

* there are never more than replicas + maxSurge pods, those that end not counted, and never fewer
  available than replicas - maxUnavailable
  (https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#rolling-update-deployment);
* a pod is available when it has been Ready for minReadySeconds, and gets requests from Ready on;
* a pod that goes gets no new connection, and ends its kept ones when its preStop is over
  (https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination-flow).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf

from lab.scenario.forecast_line import Line, combined
from lab.scenario.forecast_told import Told, Untold

BEFORE = -inf


@dataclass(frozen=True, slots=True)
class Rule:
    """Counts of pods and seconds; `end_s` is how long kept connections outlive the new ones."""

    replicas: int
    surge: int
    unavailable: int
    hold_s: float
    end_s: float
    start_s: float

    @property
    def each_s(self) -> float:
        """How long it takes to replace as many pods as may be there too many."""
        return self.start_s + self.hold_s


@dataclass(frozen=True, slots=True)
class Life:
    """A pod of a release that gets new connections from `ready` until `out`, in seconds."""

    release: str
    ready: float = BEFORE
    out: float = inf


def rule_of(told: Told) -> Rule:
    """Return the rule as it was read back. Raises Untold, also where nothing can be replaced."""
    rule = Rule(
        replicas=told.count("replicas"),
        surge=told.count("max_surge"),
        unavailable=told.count("max_unavailable"),
        hold_s=told.number("min_ready_s"),
        end_s=told.number("pre_stop_s"),
        start_s=told.pace.start_s,
    )
    if not rule.replicas or not rule.surge + rule.unavailable:
        raise Untold("replicas")
    return rule


def serving(rule: Rule, release: str) -> tuple[Life, ...]:
    return tuple(Life(release) for _ in range(rule.replicas))


def rolled(
    rule: Rule, lives: Sequence[Life], to: str, *, begin: float, until: float = inf
) -> tuple[Life, ...]:
    """Return all lives when the rollout of `to` that begins at `begin` is over, or `until` then.

    A rollout that was cut short may be gone on with, or be taken back: whoever is not `to` goes.
    """
    there, now = tuple(lives), begin
    while now < until:
        there = _settled(rule, there, to, now)
        due = [each + wait for each in _coming(there, to, now) for wait in (0, rule.hold_s)]
        later = [each for each in due if each > now]
        if not later or not _staying(there, to, now):
            return there
        now = min(later)
    return there


def ended(lives: Sequence[Life], release: str) -> float:
    """Return when the last pod of `release` gets no new connection any more; inf for never."""
    return max((each.out for each in lives if each.release == release), default=BEFORE)


def share_of(release: str, lives: Sequence[Life], rule: Rule, *, kept: float) -> Line:
    """Return which share of all requests meets `release`; `kept` of them have a connection."""
    return combined(
        lambda new, old: (1 - kept) * new + kept * old,
        _share_of_new_connections(lives, release),
        _share_of_kept_connections(lives, release, rule),
    )


def _settled(rule: Rule, there: tuple[Life, ...], to: str, now: float) -> tuple[Life, ...]:
    """Return the pods when the controller has nothing to do any more at `now`."""
    while (then := _grown(rule, _shrunk(rule, there, to, now), to, now)) != there:
        there = then
    return there


def _grown(rule: Rule, there: tuple[Life, ...], to: str, now: float) -> tuple[Life, ...]:
    alive = [each for each in there if each.out > now]
    new = sum(each.release == to for each in alive)
    more = min(rule.replicas - new, rule.replicas + rule.surge - len(alive))
    return (*there, *(Life(to, now + rule.start_s) for _ in range(more)))


def _shrunk(rule: Rule, there: tuple[Life, ...], to: str, now: float) -> tuple[Life, ...]:
    """Take out who is not available, and as many others as may be missing."""
    available = [each for each in there if each.ready + rule.hold_s <= now < each.out]
    going = [each for each in available if each.release != to]
    spared = going[max(0, len(available) - (rule.replicas - rule.unavailable)) :]
    return tuple(
        each
        if each.release == to or each.out <= now or any(each is one for one in spared)
        else replace(each, out=now)
        for each in there
    )


def _coming(there: Sequence[Life], to: str, now: float) -> list[float]:
    return [each.ready for each in there if each.release == to and each.out > now]


def _staying(there: Sequence[Life], to: str, now: float) -> list[Life]:
    return [each for each in there if each.release != to and each.out > now]


def _share_of_new_connections(lives: Sequence[Life], release: str) -> Line:
    """Each new connection meets any ready pod, with the same chance."""
    moments = sorted({BEFORE, *_moments(lives)})
    return tuple((at, _share(_ready(lives, at), release)) for at in moments)


def _share_of_kept_connections(lives: Sequence[Life], release: str, rule: Rule) -> Line:
    """Kept ones stay with their pod until it ends, and are then spread over the ready ones."""
    first = [each.ready <= BEFORE for each in lives]
    on = [is_first / max(1, sum(first)) for is_first in first]
    line = [(BEFORE, _held(lives, on, release))]
    for end in sorted({each.out + rule.end_s for each in lives if each.out < inf}):
        on = _spread(lives, on, end, rule)
        line.append((end, _held(lives, on, release)))
    return tuple(line)


def _spread(lives: Sequence[Life], on: Sequence[float], now: float, rule: Rule) -> list[float]:
    """Return who holds which share of the connections when everybody who ends now has ended."""
    freed = sum(held for each, held in zip(lives, on, strict=True) if each.out + rule.end_s == now)
    ready = len(_ready(lives, now))
    return [
        (held if now < each.out + rule.end_s else 0.0)
        + (freed / ready if each.ready <= now < each.out else 0.0)
        for each, held in zip(lives, on, strict=True)
    ]


def _held(lives: Sequence[Life], on: Sequence[float], release: str) -> float:
    return sum(held for each, held in zip(lives, on, strict=True) if each.release == release)


def _ready(lives: Sequence[Life], at: float) -> list[Life]:
    return [each for each in lives if each.ready <= at < each.out]


def _share(ready: Sequence[Life], release: str) -> float:
    return sum(each.release == release for each in ready) / len(ready) if ready else 0.0


def _moments(lives: Sequence[Life]) -> list[float]:
    return [at for each in lives for at in (each.ready, each.out) if at < inf]
