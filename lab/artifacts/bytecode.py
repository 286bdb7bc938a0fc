"""Compile Python files for images, with the interpreter that will run them.

Four pods that start at once on two cores would compile the same modules four
times, and into an upper layer that is thrown away. The result does not name times:
an image has none, and its files do not change.
"""

from pathlib import Path

from lab.artifacts import process
from lab.artifacts.recipe import Workshop
from lab.errors import BuildFailed
from lab.paths import Caller


def compile_tree(
    tree: Path,
    directory: str,
    *,
    base: Path,
    owner: Caller,
    workshop: Workshop,
    instead: bool = False,
) -> None:
    """Compile all below `directory` of `tree`, where `base` holds the interpreter.

    `instead` puts the bytecode in the place of each source: half the files, and a
    traceback that shows no text of them. Raises BuildFailed for a file that is no Python.
    """
    command = process.Command(
        (
            *interpreter(base),
            *("-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash"),
            *(("-b",) if instead else ()),
            # Tracebacks show the path in the image.
            *("-s", str(tree), "-p", "/", str(tree / directory)),
        ),
        cwd=workshop.scratch,
        owner=owner,
        variables=environment(base),
    )
    what = f"the bytecode of {directory}"
    process.require_success(command, process.run(command), what=what, paths=workshop.paths)
    if instead:
        for source in (tree / directory).rglob("*.py"):
            source.unlink()


def interpreter(base: Path) -> tuple[str, ...]:
    """Return how to run the base's Python on this host, without entering its tree."""
    libraries = next(base.glob("usr/lib/*-linux-gnu"), base)
    loader = next(libraries.glob("ld-linux-*.so.*"), None)
    python = next(base.glob("usr/bin/python3.*"), None)
    if loader is None or python is None:
        raise BuildFailed(f"{base} holds no Python")
    return (str(loader), "--library-path", str(libraries), str(python), "-s")


def environment(base: Path) -> dict[str, str]:
    return {
        "PYTHONHOME": str(base / "usr"),
        "PYTHONPATH": "",
        "PYTHONDONTWRITEBYTECODE": "1",
        # The order in which constants of a set are stored.
        "PYTHONHASHSEED": "0",
    }
