"""The programs of the measurement, built from pinned sources: a target, and vegeta."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from lab import artifacts
from lab.artifacts.gobuild import GoPrograms
from lab.artifacts.gomodule import read_go_mod
from lab.paths import find_paths
from lab.progress import Progress

MODULE = Path(__file__).with_name("programs")
VEGETA = "github.com/tsenart/vegeta/v12"
RECIPE = GoPrograms("observer-benchmark", MODULE, packages=(".", VEGETA))


@dataclass(frozen=True, slots=True)
class Programs:
    """Where the two are."""

    target: Path
    vegeta: Path

    @classmethod
    def found_in(cls, directory: Path) -> Self:
        return cls(directory / "target", directory / "vegeta")

    @classmethod
    def build(cls, progress: Progress) -> Self:
        built = artifacts.ensure([RECIPE], paths=find_paths(), progress=progress)
        return cls.found_in(built[RECIPE.name].tree / RECIPE.destination)


def vegeta_version() -> str:
    return read_go_mod(MODULE).requires[VEGETA]


@contextmanager
def serving(target: Path) -> Iterator[str]:
    """Run the target and give its URL; it ends when its standard input closes."""
    process = subprocess.Popen([target], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield f"http://{process.stdout.readline().strip()}"
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(timeout=10)
