"""k3s or kubeadm? Chosen once, when a lab is made; the lab keeps to it."""

from dataclasses import dataclass
from pathlib import Path

from lab import artifacts
from lab.artifacts import Recipe, k3s_lock
from lab.artifacts.k3s import K3sChoice
from lab.artifacts.k3s_source import OTHER_WAYS, REACH_BOUND_S, Directory, Release, mirror
from lab.artifacts.serviceimages import service_recipes
from lab.errors import ArtifactError, InvalidValue
from lab.lifecycle import record as records
from lab.paths import Paths
from lab.provision.distribution import Distribution, choose


@dataclass(frozen=True, slots=True)
class Choice:
    """The distribution, and in a line why it is not the one that a user would expect."""

    distribution: Distribution
    note: str = ""

    def recipes(self) -> tuple[Recipe, ...]:
        """Return the recipes of everything such a lab is made from: its nodes and the service."""
        return (*self.distribution.recipes(), *service_recipes())


def find_k3s(directory: Path | None, mirror_url: str | None) -> K3sChoice:
    """Return the locked release, from where a user says it is; else from its home.

    Raises InvalidValue for two places, and for an address that is none.
    """
    lock = k3s_lock.read()
    if directory and mirror_url:
        raise InvalidValue(
            "--k3s-dir and --k3s-mirror both say where k3s comes from",
            hint="the same with one of them",
        )
    if directory:
        return K3sChoice(lock, Directory(directory))
    return K3sChoice(lock, mirror(mirror_url, lock.version) if mirror_url else None)


def choose_for(
    paths: Paths,
    name: str,
    asked: str | None,
    k3s: K3sChoice,
    *,
    ci: bool,
    adopt: bool = False,
) -> Choice:
    """Return what the lab is made of, or for a new one, what it will be.

    `adopt` lets k3s take one over that lab did not put on a machine.

    Raises InvalidValue for another one than the lab has, or for a place of k3s where the lab is
    of another; ArtifactError where k3s is insisted on, also by saying where it is, and cannot be
    had, or where `ci` and nobody has said that kubeadm will do.
    """
    if (paths.lab(name) / records.FILE).exists():
        recorded = records.load(paths, name).distribution
        if asked not in (None, recorded):
            raise InvalidValue(
                f"lab {name!r} is made with {recorded}, and --distribution is {asked!r}",
                hint=f"lab down --name {name}, or another --name",
            )
        if recorded != "k3s":
            _refuse_source(k3s, recorded)
        return Choice(choose(recorded, k3s, adopt=adopt))
    return choose_new(paths, asked, k3s, ci=ci, adopt=adopt)


def choose_new(
    paths: Paths, asked: str | None, k3s: K3sChoice, *, ci: bool, adopt: bool = False
) -> Choice:
    """Return what a lab that is not there yet will be made of; raises as `choose_for` does."""
    if asked == "kubeadm":
        _refuse_source(k3s, "kubeadm")
        return Choice(choose("kubeadm"))
    if asked not in (None, "k3s"):
        choose(asked)
    trouble = "" if is_cached(paths, k3s) else find_trouble(k3s)
    if not trouble:
        return Choice(choose("k3s", k3s, adopt=adopt))
    # Who says where it is means k3s, and no other will do.
    return Choice(*_do_without("k3s" if k3s.source else asked, trouble, ci=ci))


def _refuse_source(k3s: K3sChoice, distribution: str) -> None:
    if k3s.source:
        raise InvalidValue(
            f"{k3s.source.place} is a place of k3s, and what is asked for is {distribution}",
            hint="the same without --k3s-dir and --k3s-mirror",
        )


def _do_without(asked: str | None, trouble: str, *, ci: bool) -> tuple[Distribution, str]:
    missing = f"{trouble}, and no k3s is in the cache"
    if asked == "k3s":
        raise ArtifactError(missing, hint=OTHER_WAYS)
    if ci:
        raise ArtifactError(
            f"{missing}; with CI=true nothing else is taken without being asked for",
            hint="the same with --distribution kubeadm",
        )
    return choose("kubeadm"), f"kubeadm and not k3s: {missing}"


def is_cached(paths: Paths, k3s: K3sChoice) -> bool:
    return not artifacts.missing((k3s.recipe(),), paths)


def find_trouble(k3s: K3sChoice) -> str:
    """Return why the release cannot be had just now, in a line; nothing when it can.

    A place that a user has named is given more time than its home.
    """
    if k3s.source:
        return k3s.recipe().lack()
    return Release(k3s.lock.version).trouble(REACH_BOUND_S)
