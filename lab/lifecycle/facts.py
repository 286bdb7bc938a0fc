"""What is there of a lab? Looks only: nothing is written, and no lock is taken."""

from typing import Any

from lab import artifacts
from lab.artifacts import Recipe
from lab.errors import ClusterError, LabError
from lab.kube import nodes as kube_nodes
from lab.kube.nodes import NodeStatus
from lab.lifecycle import publish
from lab.lifecycle.lab import Lab
from lab.lifecycle.own_hosts import installed
from lab.lifecycle.plan import Facts, of_own
from lab.lifecycle.versions import is_wanted, remaining
from lab.machines import netns, network
from lab.machines.topology import Node
from lab.paths import Paths
from lab.provision import readiness
from lab.provision.distribution import Distribution


def of_new_lab(paths: Paths, nodes: tuple[Node, ...], distribution: Distribution) -> Facts:
    return Facts(nodes=nodes, unbuilt=tuple(artifacts.missing(distribution.recipes(), paths)))


def of_new_hosts(paths: Paths, nodes: tuple[Node, ...], distribution: Distribution) -> Facts:
    unbuilt = tuple(artifacts.missing(distribution.host_recipes(), paths))
    return of_own(nodes, f"{distribution.name} {distribution.version}", unbuilt)


def of_lab(lab: Lab, distribution: Distribution, newcomers: tuple[Node, ...] = ()) -> Facts:
    """Look at a lab; `newcomers` are machines of its inventory that are no part of it yet."""
    nodes = (*lab.record.nodes, *newcomers)
    version = distribution.version
    wanted = is_wanted(lab.record.version, version, name=lab.record.name, can=distribution.upgrades)
    return Facts(
        version=lab.record.version,
        upgrade_to=version if wanted else "",
        outdated=remaining(nodes, _known_nodes(lab), version) if wanted else (),
        unbuilt=tuple(artifacts.missing(recipes_of(lab, distribution), lab.paths))
        if wanted
        else (),
        nodes=nodes,
        leaving=lab.record.leaving,
        removing=lab.record.leaver.name if lab.record.leaver else "",
        **_machines(lab, newcomers),
        joined=frozenset(lab.record.joined),
        kubeconfig=lab.has_own_kubeconfig(),
        all_doors=tuple(_doors(lab)),
        doors=closed_doors(lab),
        unready=f"{newcomers[0].name} is new" if newcomers else why_not_up(lab),
    )


def recipes_of(lab: Lab, distribution: Distribution) -> tuple[Recipe, ...]:
    """Return what the lab's nodes are made from, or get."""
    return distribution.host_recipes() if lab.record.hosts else distribution.recipes()


def _machines(lab: Lab, newcomers: tuple[Node, ...]) -> dict[str, Any]:
    """Return what was found of the machines; those of an inventory need nothing on this host."""
    nodes = lab.record.nodes
    if lab.record.hosts:
        # Those were looked at, and could be logged in to.
        running = frozenset(node.name for node in (*nodes, *newcomers))
        own = installed(lab.record)
        return {"network": True, "keys": True, "running": running, "own": own}
    return {
        "network": netns.exists(network.name(lab.record.lab_id)),
        "keys": lab.keys.are_made(nodes),
        "disks": frozenset(node.name for node in nodes if lab.sandbox.has_disk(node)),
        "running": lab.machines.running(nodes),
    }


def _known_nodes(lab: Lab) -> list[NodeStatus]:
    """Return what the cluster says of its nodes; nothing where it cannot be asked."""
    try:
        return kube_nodes.list_nodes(lab.connect(timeout_s=3))
    except ClusterError:
        return []


def closed_doors(lab: Lab) -> tuple[str, ...]:
    """Return the doors that this lab should have open and has not."""
    return tuple(name for name, door in _doors(lab).items() if not publish.is_published(lab, door))


def _doors(lab: Lab) -> dict[str, publish.Door]:
    if lab.record.hosts:
        return {}
    service = {"service": publish.SERVICE} if lab.record.service_port else {}
    return {"api": publish.API, **service}


def why_not_up(lab: Lab) -> str:
    """Return why the cluster is not as it was when it was checked; empty when it is."""
    record = lab.record
    if not record.gate_passed:
        return "it has not been checked since it was changed"
    try:
        running = lab.machines.running(record.nodes)
    except LabError as exc:
        return exc.message
    off = [node.name for node in record.nodes if node.name not in running]
    if off:
        return f"{', '.join(off)} {'cannot be reached' if record.hosts else 'does not run'}"
    if not publish.is_published(lab):
        return "its API is not published"
    try:
        client = lab.connect(timeout_s=3)
        return readiness.judge_cluster(client, record.nodes, record.versions).text()
    except ClusterError as exc:
        return exc.message
