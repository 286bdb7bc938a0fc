"""What is in the artifact cache, which of it labs stand on, and what may go."""

from dataclasses import dataclass
from datetime import UTC, datetime

from lab import artifacts
from lab.artifacts import Prune, Pruned, Recipe
from lab.artifacts.k3s import K3sChoice
from lab.artifacts.k3sprobe import K3sProbe
from lab.artifacts.kind import guest_recipes, kind_recipes
from lab.artifacts.serviceimages import service_recipes
from lab.lifecycle import record as records
from lab.paths import Paths
from lab.provision.distribution import choose


@dataclass(frozen=True, slots=True)
class Cached:
    """One artifact: bytes on disk, when it was built, and whether a lab stands on it."""

    name: str
    key: str
    size: int
    built: str
    used: bool


def all_recipes() -> tuple[Recipe, ...]:
    """Return the recipes of everything that labs are made from: the nodes and the service."""
    return (*choose("kubeadm").recipes(), *service_recipes())


def list_cached(paths: Paths) -> list[Cached]:
    used = records.artifacts_in_use(paths)
    return [
        Cached(
            name=item.artifact.name,
            key=item.artifact.key,
            size=item.size,
            built=datetime.fromtimestamp(item.built_at, UTC).isoformat(timespec="seconds"),
            used=item.artifact.path in used,
        )
        for item in artifacts.list_artifacts(paths)
    ]


def prune_cache(paths: Paths, what: Prune) -> Pruned:
    """Remove from the cache what may go; never what a lab stands on."""
    keep = records.artifacts_in_use(paths)
    kind = (*kind_recipes(), *guest_recipes())
    recipes = (*all_recipes(), *kind, K3sProbe(), K3sChoice().recipe())
    return artifacts.prune(paths, what=what, keep=keep, recipes=recipes)
