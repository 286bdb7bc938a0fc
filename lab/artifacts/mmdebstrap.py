"""Unpack or install a Debian into a directory, from the mirrors that this host uses."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from lab.artifacts import debian, process
from lab.artifacts.recipe import Workshop, architecture
from lab.errors import NotRoot, ToolMissing
from lab.paths import Caller

MERGED_USR_HOOKS = Path("/usr/share/mmdebstrap/hooks/merged-usr")
PROGRAM = "mmdebstrap"


def require(what: str) -> None:
    """Raise NotRoot or ToolMissing if `what` cannot be made by the caller."""
    if os.geteuid() != 0:
        raise NotRoot(f"{what} can only be built as root", hint="run the same with sudo")
    process.require_tool(shutil.which(PROGRAM), PROGRAM, package=PROGRAM)


def bootstrap(
    target: Path,
    options: Iterable[str],
    workshop: Workshop,
    *,
    what: str,
    is_progress: Callable[[str], bool] = lambda _: False,
) -> None:
    """Fill `target` as `options` say; raises BuildFailed with the last lines it wrote."""
    sources = debian.find_sources(root=Path("/"), environ=os.environ)
    require_keyring(sources)
    listed = workshop.scratch / "lab.sources"
    listed.write_text("\n".join(source.to_deb822() for source in sources))
    command = process.Command(
        (PROGRAM, *common_options(), *options, debian.SUITE, str(target), str(listed)),
        cwd=workshop.scratch,
        owner=Caller(0, 0, Path("/root")),
        variables={"LC_ALL": "C.UTF-8", "TMPDIR": str(workshop.scratch)},
    )
    ended = process.run(command, is_progress=is_progress)
    process.require_success(command, ended, what=what, paths=workshop.paths)


def require_keyring(sources: tuple[debian.Source, ...]) -> None:
    for source in sources:
        if source.signed_by == debian.KEYRING and not Path(debian.KEYRING).exists():
            raise ToolMissing(
                f"{debian.KEYRING} is missing, which proves where packages come from",
                hint="apt install debian-archive-keyring",
            )


def common_options() -> Iterator[str]:
    yield from ("--mode=root", "--format=directory")
    yield f"--architectures={architecture()}"
    yield '--aptopt=Acquire::Languages "none"'
    yield from (f"--aptopt={line}" for line in host_proxy())
    # Merging by hand spares the package that does it, which brings all of perl.
    if MERGED_USR_HOOKS.is_dir():
        yield f"--hook-dir={MERGED_USR_HOOKS}"


def host_proxy() -> list[str]:
    """Return how this host's apt reaches its mirrors: proxies and certificates."""
    answer = subprocess.run(
        ["apt-config", "dump", "Acquire::http", "Acquire::https"], capture_output=True, text=True
    )
    settings = (line.removesuffix(";") for line in answer.stdout.splitlines())
    return [line for line in settings if line.startswith("Acquire::http") and '""' not in line]
