"""Make what a lab lacks: its directory and record, its machines, its cluster.

Every step looks first. Of machines of an inventory only the cluster is made; they have their
power from elsewhere.
"""

import secrets
import string
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from lab import artifacts
from lab.files import make_dir, write_json
from lab.lifecycle import facts, own_hosts, publish
from lab.lifecycle import record as records
from lab.lifecycle.bounds import Bounds
from lab.lifecycle.cluster import Cluster, start_child
from lab.lifecycle.fitness import require_fit_host
from lab.lifecycle.lab import Lab
from lab.lifecycle.plan import HOST, Done
from lab.lifecycle.record import Record
from lab.machines import keys, netns, network, sysctls
from lab.machines.inventory import Host
from lab.machines.topology import ID_LENGTH, Node
from lab.paths import Paths
from lab.progress import Progress
from lab.provision.distribution import Distribution
from lab.provision.phases import name_range
from lab.residue import take_fingerprint as take


def create(
    paths: Paths,
    name: str,
    nodes: tuple[Node, ...],
    distribution: Distribution,
    progress: Progress,
    done: Done,
    *,
    hosts: Mapping[int, Host],
) -> Lab:
    """Build what is missing and make the lab's directory and record; no node yet."""
    recipes = distribution.host_recipes() if hosts else distribution.recipes()
    if not hosts:
        require_fit_host(paths, recipes, node_count=len(nodes))
    for missing in artifacts.missing(recipes, paths):
        done.add(HOST, f"build {missing}")
    built = artifacts.ensure(recipes, paths=paths, progress=progress)
    with progress.task("Checking what nodes are made from"):
        for artifact in built.values():
            artifacts.verify(artifact, thorough=True)
    directory = paths.lab(name)
    if not directory.exists() and not hosts:
        take_fingerprint(paths, name)
    make_dir(directory, owner=paths.caller, mode=0o700)
    record = Record(
        name=name,
        lab_id="".join(secrets.choice(string.ascii_lowercase) for _ in range(ID_LENGTH)),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        node_count=len(nodes),
        servers=tuple(node.number for node in nodes if node.is_server),
        distribution=distribution.name,
        version=distribution.version,
        artifacts={key: str(artifact.path) for key, artifact in built.items()},
        hosts=hosts,
    )
    records.save(paths, record)
    return Lab.open(paths, record)


def converge(
    lab: Lab, distribution: Distribution, bounds: Bounds, progress: Progress, done: Done
) -> None:
    """Do what is missing, with the lab's lock held."""
    if not lab.record.hosts:
        prepare_host(lab, progress, done)
    cluster = Cluster(lab, distribution, bounds, progress, done)
    lab.update(gate_passed=False)
    if cluster.needs_provisioning():
        with start_child(lab) as child:
            power_on(lab, distribution, bounds, progress, done)
            cluster.provision(child)
    else:
        power_on(lab, distribution, bounds, progress, done)
    cluster.check()


def ready_machines(
    lab: Lab, distribution: Distribution, bounds: Bounds, progress: Progress, done: Done
) -> None:
    """Return when all nodes that stay can be logged in to."""
    if not lab.record.hosts:
        prepare_host(lab, progress, done)
    power_on(lab, distribution, bounds, progress, done)


def power_on(
    lab: Lab, distribution: Distribution, bounds: Bounds, progress: Progress, done: Done
) -> None:
    """Boot the nodes that do not run; of machines that lab did not make, require that they do."""
    if not lab.record.hosts:
        boot(lab, distribution, bounds, progress, done)
        return
    with progress.task("Logging in to all hosts"):
        own_hosts.require_reachable(lab)
        own_hosts.ready(lab)


def prepare_host(lab: Lab, progress: Progress, done: Done) -> None:
    if not netns.exists(network.name(lab.record.lab_id)):
        done.add(HOST, "make network")
    if not lab.keys.are_made(lab.record.nodes):
        done.add(HOST, "make keys")
    with progress.task("Preparing the host"):
        lab.journal.intend_once("sysctls", lab.record.lab_id)
        sysctls.hold(lab.record.lab_id)
        lab.sandbox.create_network()
        keys.make(lab.keys.directory, lab.record.nodes, owner=lab.paths.caller)


def boot(
    lab: Lab, distribution: Distribution, bounds: Bounds, progress: Progress, done: Done
) -> None:
    """Boot what does not run, publish the API, and wait until every node can be logged in to.

    One that runs may have been started a moment ago, by a command that was cut short. One that
    is being removed stays as it is.
    """
    nodes = lab.record.staying
    down = tuple(node for node in nodes if not lab.sandbox.is_running(node))
    for node in down:
        done.add(node.name, "boot" if lab.sandbox.has_disk(node) else "make and boot")
    for door in facts.closed_doors(lab):
        done.add(HOST, f"publish {door}")
    if not down:
        publish.publish(lab)
        lab.sandbox.wait_until_up(nodes, timeout_s=bounds.boot_s)
        return
    with progress.task(f"Booting {name_range(down)}"):
        lab.sandbox.boot(down, layers(lab, distribution), lab.keys)
        publish.publish(lab)
        lab.sandbox.wait_until_up(nodes, timeout_s=bounds.boot_s)


def layers(lab: Lab, distribution: Distribution) -> tuple[Path, ...]:
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
