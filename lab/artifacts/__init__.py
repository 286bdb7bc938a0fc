"""What nodes are made from: built once, kept by content, carried in bundles.

`ensure(kubeadm_recipes(), ...)` is the way in; see `lab.artifacts.layout` for where
things lie, `lab.artifacts.recipe` for keys and `lab.artifacts.kubeadm` for what
is built.
"""

from lab.artifacts.bundle import export_bundle
from lab.artifacts.cache import Listed, ensure, list_artifacts, locate, missing, verify
from lab.artifacts.kubeadm import kubeadm_recipes
from lab.artifacts.prune import Prune, Pruned, prune
from lab.artifacts.recipe import Artifact, Recipe
from lab.artifacts.unbundle import import_bundle

__all__ = [
    "Artifact",
    "Listed",
    "Prune",
    "Pruned",
    "Recipe",
    "ensure",
    "export_bundle",
    "import_bundle",
    "kubeadm_recipes",
    "list_artifacts",
    "locate",
    "missing",
    "prune",
    "verify",
]
