"""Which directories must a machine see so that it can run this project without a network?"""

import shlex
import shutil
import sysconfig
from collections.abc import Collection, Mapping
from pathlib import Path

from lab.artifacts import kubeadm_recipes, locate
from lab.errors import ArtifactError
from lab.paths import find_paths

SOURCE = Path(__file__).parents[2]
PARTS = ("lab", "inventories", "manifests", "tests/qemu")
# Debian's Python in the machine is of the same minor version as the lowest one supported;
# packages with compiled parts are those of the tester, who has to run that version too.
PYTHON = "PYTHONPATH=/mnt/project:/mnt/site PYTHONDONTWRITEBYTECODE=1 python3"
CACHE = "/root/.cache/lab/artifacts"


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


def artifacts(names: Collection[str] = ()) -> Mapping[str, Path]:
    """Return the tester's artifacts of those names, or all, to be put in place as `cached` says."""
    wanted = locate(kubeadm_recipes(), find_paths())
    found = {name: wanted[name].path for name in names or wanted}
    missing = [str(path) for path in found.values() if not path.is_dir()]
    if missing:
        raise ArtifactError(f"not built: {', '.join(missing)}", hint="sudo lab artifacts build")
    return found


def cached(shared: Mapping[str, Path]) -> str:
    """Return the command by which root's cache on the machine has the artifacts."""
    commands = []
    for name, path in shared.items():
        place = shlex.quote(f"{CACHE}/{path.name}")
        commands.append(f"mkdir -p {place} && mount --bind /mnt/{name} {place}")
    return " && ".join(commands)
