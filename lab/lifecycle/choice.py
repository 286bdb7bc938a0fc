"""k3s or kubeadm? Chosen once, when a lab is made; the lab keeps to it."""

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
    trouble = "" if k3s.source or is_cached(paths, k3s) else find_trouble(k3s)
    return Choice(*_decide(asked, k3s, trouble=trouble, ci=ci))


def _decide(
    asked: str | None, k3s: K3sChoice, *, trouble: str, ci: bool
) -> tuple[Distribution, str]:
    if not trouble:
        return choose("k3s", k3s), ""
    missing = f"{trouble}, and no k3s is in the cache"
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


def find_trouble(k3s: K3sChoice) -> str:
    """Return why the release cannot be had just now, in a line; nothing when it can."""
    return Release(k3s.lock.version).trouble(REACH_BOUND_S)
