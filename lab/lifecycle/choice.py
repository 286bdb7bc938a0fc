"""k3s or kubeadm? Chosen once, when a lab is made; the lab keeps to it."""

import threading
from dataclasses import dataclass

from lab import artifacts
from lab.artifacts.k3s import K3sChoice
from lab.artifacts.k3s_source import OTHER_WAYS, REACH_BOUND_S, Release
from lab.errors import ArtifactError, InvalidValue
from lab.lifecycle import record as records
from lab.paths import Paths
from lab.provision.distribution import Distribution, choose


@dataclass(frozen=True, slots=True)
class Choice:
    """The distribution, and in a line why it is not the one that a user would expect."""

    distribution: Distribution
    note: str = ""


def choose_for(paths: Paths, name: str, asked: str | None, k3s: K3sChoice, *, ci: bool) -> Choice:
    """Return what the lab is made of, or for a new one, what it will be.

    Raises InvalidValue for another one than the lab has, ArtifactError where k3s is insisted
    on and cannot be had, or where `ci` and nobody has said that kubeadm will do.
    """
    if (paths.lab(name) / records.FILE).exists():
        recorded = records.load(paths, name).distribution
        if asked not in (None, recorded):
            raise InvalidValue(
                f"lab {name!r} is made with {recorded}, and --distribution is {asked!r}",
                hint=f"lab down --name {name}, or another --name",
            )
        return Choice(choose(recorded, k3s))
    if asked == "kubeadm":
        return Choice(choose("kubeadm"))
    if asked not in (None, "k3s"):
        choose(asked)
    can_have = k3s.source is not None or is_cached(paths, k3s) or is_reachable(k3s)
    return Choice(*_decide(asked, k3s, can_have=can_have, ci=ci))


def _decide(
    asked: str | None, k3s: K3sChoice, *, can_have: bool, ci: bool
) -> tuple[Distribution, str]:
    if can_have:
        return choose("k3s", k3s), ""
    place = Release(k3s.lock.version).place
    missing = f"{place} does not answer within {REACH_BOUND_S:g} s, and no k3s is in the cache"
    if asked == "k3s":
        raise ArtifactError(missing, hint=OTHER_WAYS)
    if ci:
        raise ArtifactError(
            f"{missing}; with CI=true nothing else is taken without being asked for",
            hint="lab up --distribution kubeadm",
        )
    return choose("kubeadm"), f"kubeadm and not k3s: {missing}"


def is_cached(paths: Paths, k3s: K3sChoice) -> bool:
    return not artifacts.missing((k3s.recipe(),), paths)


def is_reachable(k3s: K3sChoice, within_s: float = REACH_BOUND_S) -> bool:
    """Ask in a thread, since looking up a name cannot be given a bound."""
    answers: list[bool] = []
    release = Release(k3s.lock.version)
    thread = threading.Thread(target=lambda: answers.append(release.is_reachable(within_s)))
    thread.daemon = True
    thread.start()
    thread.join(within_s)
    return any(answers)
