"""Which directories must a machine see so that it can run this project without a network?"""

import shutil
import sysconfig
from collections.abc import Mapping
from pathlib import Path

SOURCE = Path(__file__).parents[2]
PARTS = ("lab", "inventories", "manifests", "scenarios")
# Debian's Python in the machine is of the same minor version as the lowest one supported;
# packages with compiled parts are those of the tester, who has to run that version too.
PYTHON = "PYTHONPATH=/mnt/project:/mnt/site PYTHONDONTWRITEBYTECODE=1 python3"


def shares(scratch: Path) -> Mapping[str, Path]:
    """Return the tester's working copy and installed packages, to be run with PYTHON."""
    project = scratch / "project"
    for name in PARTS:
        shutil.copytree(
            SOURCE / name,
            project / name,
            symlinks=True,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    return {"project": project, "site": Path(sysconfig.get_path("purelib"))}
