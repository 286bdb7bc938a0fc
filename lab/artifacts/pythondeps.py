"""Build the libraries that the sample service and the observer import, compiled."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.artifacts import bytecode, elf, wheels
from lab.artifacts.pythonbase import PYTHON
from lab.artifacts.recipe import Workshop, architecture, digest_files, digest_text

RECIPE_VERSION = "2"
REQUIREMENTS = wheels.REQUIREMENTS / "requirements.txt"
# Where the base's Python looks for what is not Debian's.
SITE_PACKAGES = f"usr/local/lib/python{PYTHON}/dist-packages"
UNUSED = (
    "bin",
    # What the compiled modules were made from, and what only type checkers read.
    *(f"**/*.{suffix}" for suffix in ("c", "h", "pxd", "pxi", "pyi", "pyx", "so.hash")),
    "**/.hash",
    "**/py.typed",
    "**/_testbase.py",
    # How it got here, which differs from build to build.
    *(f"*.dist-info/{name}" for name in ("INSTALLER", "RECORD", "REQUESTED", "WHEEL", "sboms")),
)


@dataclass(frozen=True, slots=True)
class PythonDeps:
    """A recipe: site-packages at the place where the base's Python finds them."""

    name: str = "pythondeps"

    @property
    def needs(self) -> tuple[str, ...]:
        return ("pythonbase",)

    @property
    def owned_by_root(self) -> bool:
        return False

    def inputs(self) -> Mapping[str, str]:
        files = digest_files(wheels.REQUIREMENTS)
        return {
            "architecture": architecture(),
            "recipe": RECIPE_VERSION,
            "requirements": files[f"file {REQUIREMENTS.name}"],
            "unused": digest_text(repr(UNUSED)),
        }

    def build(self, workshop: Workshop) -> Mapping[str, str]:
        target = workshop.tree / SITE_PACKAGES
        with workshop.progress.task("Fetching the libraries of the sample service"):
            wheels.install_wheels(REQUIREMENTS, target, workshop)
            remove_unused(target)
            elf.trim_below(target)
        with workshop.progress.task("Compiling the libraries of the sample service"):
            bytecode.compile_tree(
                workshop.tree,
                SITE_PACKAGES,
                base=workshop.needs["pythonbase"].tree,
                owner=workshop.paths.caller,
                workshop=workshop,
            )
        return wheels.pins(REQUIREMENTS)


def remove_unused(directory: Path) -> None:
    for path in list(find_unused(directory)):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def find_unused(directory: Path) -> Iterator[Path]:
    for pattern in UNUSED:
        yield from directory.glob(pattern)
