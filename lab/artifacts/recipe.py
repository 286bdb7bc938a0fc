"""What is an artifact made from, and under which key is it kept?

The key is a digest over everything that decides the result: the recipe's inputs
and the keys of the artifacts it is built from. It is known before anything is
built, so a plan, a bundle and a second host come to the same key. The Go version
counts as the minor that the modules ask for, not the one that happens to be on
PATH: sudo changes PATH, and a host without Go must find an imported artifact.
The exact toolchain is recorded in the manifest.
"""

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lab.errors import HostUnfit
from lab.paths import Paths
from lab.progress import Progress

KEY_LENGTH = 12
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class Artifact:
    """Something built: `tree` is laid out relative to `/`, to serve as a lower layer."""

    name: str
    key: str
    path: Path

    @property
    def tree(self) -> Path:
        return self.path / "tree"


@dataclass(frozen=True, slots=True)
class Workshop:
    """What a recipe builds with: `tree` to fill, `scratch` to work in, both empty."""

    paths: Paths
    progress: Progress
    tree: Path
    scratch: Path
    needs: Mapping[str, Artifact]


class Recipe(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the recipes whose artifacts it is built from."""
        ...

    @property
    def owned_by_root(self) -> bool:
        """Whether the tree is a whole system, with owners of its own, and not the caller's."""
        ...

    def inputs(self) -> Mapping[str, str]:
        """Return all that decides the result, apart from `needs`."""
        ...

    def build(self, workshop: Workshop) -> Mapping[str, str]:
        """Fill the tree; return the versions of what was used or installed."""
        ...


def in_order(recipes: Iterable[Recipe]) -> tuple[Recipe, ...]:
    """Return the recipes so that each stands behind what it needs."""
    waiting = {recipe.name: recipe for recipe in recipes}
    ordered: dict[str, Recipe] = {}
    while waiting:
        ready = [r for r in waiting.values() if all(need in ordered for need in r.needs)]
        if not ready:
            raise ValueError(f"recipes need what is not among them: {', '.join(sorted(waiting))}")
        # One at a time keeps the order that the caller chose among independent ones.
        ordered[ready[0].name] = waiting.pop(ready[0].name)
    return tuple(ordered.values())


def keys_of(recipes: Iterable[Recipe]) -> dict[str, str]:
    """Return the key of each recipe, by name."""
    keys: dict[str, str] = {}
    for recipe in in_order(recipes):
        needs = {need: keys[need] for need in recipe.needs}
        keys[recipe.name] = key_for(recipe.name, inputs=recipe.inputs(), needs=needs)
    return keys


def key_for(name: str, *, inputs: Mapping[str, str], needs: Mapping[str, str]) -> str:
    parts = {"name": name, "inputs": dict(inputs), "needs": dict(needs)}
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]


def digest_files(directory: Path) -> dict[str, str]:
    """Return the digest of each file directly in `directory`, as recipe inputs."""
    files = sorted(path for path in directory.iterdir() if path.is_file())
    return {f"file {path.name}": hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def digest_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def architecture(machine: str | None = None) -> str:
    """Return this host's architecture the way Go, Debian and image registries name it."""
    machine = machine or platform.machine()
    try:
        return ARCHITECTURES[machine]
    except KeyError:
        raise HostUnfit(
            f"no node can be built for {machine}: only {' and '.join(ARCHITECTURES)} are known"
        ) from None
