"""Is this host fit for a lab, and is anything of one left on it?"""

import json

from lab import artifacts, doctor
from lab.artifacts.serviceimages import service_recipes
from lab.doctor import Command, Finding
from lab.errors import InvalidValue, LabError
from lab.files import make_dir
from lab.lifecycle import record as records
from lab.lifecycle.making import fingerprint_file
from lab.machines.topology import check_lab_name
from lab.paths import Paths
from lab.provision.distribution import choose
from lab.residue import Difference, Fingerprint, compare, take_fingerprint


def examine_host(paths: Paths, name: str) -> list[Finding]:
    """Return every precondition of the sandbox on this host, met or not."""
    missing = artifacts.missing(choose("kubeadm").recipes(), paths)
    lacking = {*missing, *artifacts.missing(service_recipes(), paths)}
    return doctor.examine(
        paths=paths,
        lab_dir=paths.lab(check_lab_name(name)),
        # Both are Debian, and need the same program to be made.
        node_root_cached=not lacking & {"noderoot", "pythonbase"},
        artifacts_cached=not missing,
    )


def fix_host(paths: Paths, name: str) -> list[Command]:
    """Install what is missing; return the commands that did it."""
    log = make_dir(paths.state, owner=paths.caller) / "doctor-fix.log"
    return doctor.fix(examine_host(paths, name), doctor.run_into(log))


def find_residue(paths: Paths, name: str) -> list[Difference]:
    """Compare the host with the fingerprint that was taken before the lab's first change."""
    file = fingerprint_file(paths, check_lab_name(name))
    if not file.exists():
        raise LabError(
            f"no fingerprint was taken for a lab {name!r}: it was never brought up here",
            hint=f"lab up --name {name}",
        )
    try:
        before = Fingerprint.from_dict(json.loads(file.read_text()))
    except (ValueError, InvalidValue) as exc:
        raise LabError(f"{file} is damaged ({exc})", hint=f"rm {file}") from exc
    return list(compare(before, take_fingerprint(paths=paths), living=_others(paths, name)))


def _others(paths: Paths, name: str) -> list[str]:
    """Return ids and directories of the other labs: what is theirs is no residue."""
    living = []
    for other in records.names(paths):
        if other != name and (paths.lab(other) / records.FILE).exists():
            living += [records.load(paths, other).lab_id, str(paths.lab(other))]
    return living
