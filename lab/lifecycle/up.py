"""Bring a lab to where its user wants it: all nodes up, in one cluster, seen to work.

Every step looks first and acts on what is missing, so the same call makes a lab,
goes on with one that was interrupted, starts one that was stopped, and finds
nothing to do on one that is up.
"""

import secrets
import string
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lab import artifacts
from lab.errors import ClusterError, InvalidValue, LabError
from lab.files import make_dir, write_json
from lab.lifecycle import publish
from lab.lifecycle import record as records
from lab.lifecycle.bounds import BOUNDS, Bounds
from lab.lifecycle.cluster import Cluster, start_child
from lab.lifecycle.down import remove
from lab.lifecycle.fitness import require_fit_host
from lab.lifecycle.lab import Lab, require_root
from lab.lifecycle.lock import exclusive
from lab.lifecycle.record import Record
from lab.lifecycle.stop import stop_nodes
from lab.machines import keys, sysctls
from lab.machines.topology import ID_LENGTH, check_lab_name, make_nodes
from lab.paths import Paths
from lab.progress import Progress
from lab.provision import readiness
from lab.provision.distribution import Distribution, choose
from lab.provision.kubeadm_phases import name_range
from lab.residue import take_fingerprint as take

DEFAULT_NODES = 6


@dataclass(frozen=True, slots=True)
class Result:
    record: Record
    changed: bool


def up(
    paths: Paths,
    name: str,
    *,
    node_count: int | None,
    distribution: Distribution,
    progress: Progress,
    bounds: Bounds = BOUNDS,
) -> Result:
    """Return when the lab is ready, and whether anything had to be changed for it.

    `node_count` None means as many as the lab has, or six for a new one.
    """
    require_root("up")
    check_lab_name(name)
    make_nodes(DEFAULT_NODES if node_count is None else node_count)
    with exclusive(paths, name):
        lab = _find(paths, name, node_count)
        if lab and is_up(lab):
            return Result(lab.record, changed=False)
        node_count = lab.record.node_count if lab else node_count or DEFAULT_NODES
        if lab and not _end_leaving(lab, progress):
            lab = None
        lab = lab or _create(paths, name, node_count, distribution, progress)
        _converge(lab, distribution, bounds, progress)
        return Result(lab.record, changed=True)


def is_up(lab: Lab) -> bool:
    """Whether everything runs and can be reached from the host's loopback."""
    return publish.is_all_published(lab) and is_cluster_up(lab)


def is_cluster_up(lab: Lab) -> bool:
    """Whether the nodes run, and the cluster says that it is as it was when it was checked."""
    record = lab.record
    if not record.gate_passed or not publish.is_published(lab):
        return False
    if not all(map(lab.sandbox.is_running, record.nodes)):
        return False
    try:
        client = lab.connect(timeout_s=3)
        return not readiness.judge_cluster(client, record.nodes, record.version).findings
    except ClusterError:
        return False


def _end_leaving(lab: Lab, progress: Progress) -> bool:
    """End a stop or a down that was cut short; return whether the lab is still there.

    A node that is on its way down, or whose disk is half deleted, must not count as one
    that runs.
    """
    match lab.record.leaving:
        case "stop":
            stop_nodes(lab, progress)
        case "down":
            remove(lab.paths, lab.record.name, progress)
            return False
    return True


def _find(paths: Paths, name: str, node_count: int | None) -> Lab | None:
    if not (paths.lab(name) / records.FILE).exists():
        return None
    lab = Lab.load(paths, name)
    if node_count not in (None, lab.record.node_count):
        raise InvalidValue(
            f"lab {name!r} has {lab.record.node_count} nodes and --nodes is {node_count}",
            hint=f"lab down --name {name}, or another --name",
        )
    return lab


def _create(
    paths: Paths, name: str, node_count: int, distribution: Distribution, progress: Progress
) -> Lab:
    recipes = distribution.recipes()
    require_fit_host(paths, recipes, node_count=node_count)
    built = artifacts.ensure(recipes, paths=paths, progress=progress)
    with progress.task("Checking what nodes are made from"):
        for artifact in built.values():
            artifacts.verify(artifact, thorough=True)
    directory = paths.lab(name)
    if not directory.exists():
        take_fingerprint(paths, name)
    make_dir(directory, owner=paths.caller, mode=0o700)
    record = Record(
        name=name,
        lab_id="".join(secrets.choice(string.ascii_lowercase) for _ in range(ID_LENGTH)),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        node_count=node_count,
        distribution=distribution.name,
        version=distribution.version,
        artifacts={key: str(artifact.path) for key, artifact in built.items()},
    )
    records.save(paths, record)
    return Lab.open(paths, record)


def _converge(lab: Lab, distribution: Distribution, bounds: Bounds, progress: Progress) -> None:
    with progress.task("Preparing the host"):
        lab.journal.intend_once("sysctls", lab.record.lab_id)
        sysctls.hold(lab.record.lab_id)
        lab.sandbox.create_network()
        keys.make(lab.keys.directory, lab.record.nodes, owner=lab.paths.caller)
    cluster = Cluster(lab, distribution, bounds, progress)
    lab.update(gate_passed=False)
    if cluster.needs_provisioning():
        with start_child(lab) as child:
            boot(lab, distribution, bounds, progress)
            cluster.provision(child)
    else:
        boot(lab, distribution, bounds, progress)
    cluster.check()


def boot(lab: Lab, distribution: Distribution, bounds: Bounds, progress: Progress) -> None:
    """Boot what does not run, publish the API, and wait until every node can be logged in to.

    One that runs may have been started a moment ago, by a command that was cut short.
    """
    down = [node for node in lab.record.nodes if not lab.sandbox.is_running(node)]
    if not down:
        publish.publish(lab)
        lab.sandbox.wait_until_up(lab.record.nodes, timeout_s=bounds.boot_s)
        return
    with progress.task(f"Booting {name_range(tuple(down))}"):
        lab.sandbox.boot(down, _layers(lab, distribution), lab.keys)
        publish.publish(lab)
        lab.sandbox.wait_until_up(lab.record.nodes, timeout_s=bounds.boot_s)


def _layers(lab: Lab, distribution: Distribution) -> tuple[Path, ...]:
    """Return the layers the lab was made from; they were checked when it was made."""
    return distribution.layers(
        {name: Path(path) / "tree" for name, path in lab.record.artifacts.items()}
    )


def fingerprint_file(paths: Paths, name: str) -> Path:
    return paths.state / "fingerprints" / f"{name}.json"


def take_fingerprint(paths: Paths, name: str) -> None:
    """Note what the host looks like before the first change, for `lab doctor --residue`."""
    file = fingerprint_file(paths, name)
    make_dir(file.parent, owner=paths.caller, mode=0o700)
    write_json(file, take(paths=paths).to_dict(), owner=paths.caller)


def start(paths: Paths, name: str, *, progress: Progress, bounds: Bounds = BOUNDS) -> Result:
    """Boot a stopped lab as it was made, with the artifacts it was made from."""
    require_root("start")
    recorded = records.load(paths, name)
    if recorded.leaving == "down":
        raise LabError(f"lab {name!r} is half removed", hint=f"lab down --name {name}")
    return up(
        paths,
        name,
        node_count=recorded.node_count,
        distribution=choose(recorded.distribution),
        progress=progress,
        bounds=bounds,
    )
