"""May a lab be made here? The cheap part of what `lab doctor` looks at, before the first change.

What can be tried only by doing it (namespaces, overlays, rules) is left to the doing:
it fails with an error of its own, and `lab doctor` tells more.
"""

from collections.abc import Sequence

from lab import artifacts
from lab.artifacts import Recipe
from lab.doctor import Finding, capacity, programs
from lab.doctor.debian import is_debian
from lab.errors import HostUnfit, NoSpace, ToolMissing
from lab.paths import Paths


def require_fit_host(paths: Paths, recipes: Sequence[Recipe], *, node_count: int) -> None:
    """Raise ToolMissing, NoSpace or HostUnfit; all missing programs are named at once."""
    require_plain_paths(paths)
    missing = artifacts.missing(recipes, paths)
    checks = programs.program_checks(
        node_root_cached="noderoot" not in missing,
        artifacts_cached=not missing,
        debian=is_debian(),
    )
    require_programs([check.look() for check in checks])
    disk = capacity.disk(paths, artifacts_cached=not missing)
    if not disk.ok:
        raise NoSpace(f"not enough space: {disk.detail}", hint=disk.fix)
    memory = capacity.memory(nodes=node_count)
    if not memory.ok:
        raise HostUnfit(f"not enough memory: {memory.detail}", hint=memory.fix)


def require_plain_paths(paths: Paths) -> None:
    """The options of an overlay's mount and nspawn's binds have no way to quote these."""
    for path, variable in ((paths.data, "XDG_DATA_HOME"), (paths.cache, "XDG_CACHE_HOME")):
        found = [character for character in ":,\\" if character in str(path)]
        if found:
            raise HostUnfit(
                f"a node's disk cannot lie below {path}: there is a {found[0]!r} in it",
                hint=f"set {variable} to another directory",
            )


def require_programs(findings: Sequence[Finding]) -> None:
    lacking = [found.name for found in findings if found.required and not found.ok]
    if lacking:
        raise ToolMissing(
            f"this host lacks what a lab needs: {', '.join(lacking)}", hint="sudo lab doctor --fix"
        )
