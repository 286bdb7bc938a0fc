"""Which files of lab itself go into images, and how do they get there?"""

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from lab.artifacts import bytecode
from lab.artifacts.images import Layer, layer_of_tree
from lab.artifacts.recipe import Workshop, digest_text
from lab.files import make_dir

LAB = Path(__file__).parent.parent
CODE = "opt/lab"
"""Where the images have them: a folder for PYTHONPATH."""


def source_files(packages: Sequence[str]) -> dict[str, Path]:
    """Return the files of these packages by their path below lab/, all kinds but bytecode.

    The file that makes lab itself a package comes with them.
    """
    found = [LAB / "__init__.py"] if packages else []
    for package in packages:
        found += (path for path in (LAB / package).rglob("*") if path.is_file())
    return {
        str(path.relative_to(LAB)): path
        for path in sorted(found)
        if path.parent.name != "__pycache__"
    }


def digest_code(packages: Sequence[str]) -> str:
    """Return one digest over names and contents."""
    lines = (
        f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        for name, path in source_files(packages).items()
    )
    return digest_text("\n".join(lines))


def compile_code(packages: Sequence[str], workshop: Workshop) -> Layer:
    """Return a layer of the packages and their bytecode; an empty one of none.

    Raises BuildFailed for a file that is no Python.
    """
    if not packages:
        return Layer()
    owner = workshop.paths.caller
    tree = make_dir(workshop.scratch / "code", owner=owner)
    for name, source in source_files(packages).items():
        place = tree / CODE / "lab" / name
        make_dir(place.parent, owner=owner)
        shutil.copyfile(source, place)
        # What may be executed there is started by the interpreter.
        place.chmod(0o644)
    base = workshop.needs["pythonbase"].tree
    bytecode.compile_tree(tree, CODE, base=base, owner=owner, workshop=workshop)
    return layer_of_tree(tree)
