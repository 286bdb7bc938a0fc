"""Bring a lab to the version that this lab program has: servers one at a time, then agents.

The order is that of kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-upgrade. What
version a node has is asked of the cluster, so an upgrade that was cut short goes on with the
nodes that are left. Pods stay where they are: a kubelet that restarts leaves them running.
"""

from dataclasses import dataclass

from lab import artifacts
from lab.kube import nodes as kube_nodes
from lab.lifecycle import own_hosts
from lab.lifecycle.bounds import Bounds
from lab.lifecycle.cluster import Cluster, bind, start_child
from lab.lifecycle.facts import recipes_of
from lab.lifecycle.lab import Lab
from lab.lifecycle.plan import HOST, Done
from lab.lifecycle.versions import is_first, remaining
from lab.machines.topology import Node
from lab.progress import Progress
from lab.provision import readiness
from lab.provision.child import Child
from lab.provision.distribution import Distribution


@dataclass(slots=True)
class Upgrade:
    """The upgrade of one lab that is up."""

    lab: Lab
    distribution: Distribution
    bounds: Bounds
    progress: Progress
    done: Done

    def run(self) -> None:
        """Upgrade what is left, then see that everything works."""
        new = self._bring_artifacts()
        self.distribution = bind(self.lab, self.distribution, new, self.bounds, self.progress)
        version = self.distribution.version
        left = remaining(self.lab.record.nodes, kube_nodes.list_nodes(self.lab.connect()), version)
        self.lab.update(gate_passed=False, upgrading=version)
        if self.lab.record.hosts:
            own_hosts.send(self.lab, self.distribution, left, self.progress)
        with start_child(self.lab) as child:
            for node in left:
                self._upgrade(child, node, new, first=is_first(node, self.lab.record.nodes, left))
        # Only now: a node that boots in the midst of it boots as what it was.
        record = self.lab.record
        old = {
            f"{key} of {record.version}": record.artifacts[key]
            for key, path in new.items()
            if record.artifacts[key] != path
        }
        self.lab.update(version=version, upgrading="", artifacts=record.artifacts | old | new)
        Cluster(self.lab, self.distribution, self.bounds, self.progress, self.done).check()

    def _bring_artifacts(self) -> dict[str, str]:
        """Build what the new version is made from, and return paths by name.

        Nodes read it from the cache. That and what their disks stand on are recorded, so that
        neither is removed below them.
        """
        record = self.lab.record
        recipes = recipes_of(self.lab, self.distribution)
        for missing in artifacts.missing(recipes, self.lab.paths):
            self.done.add(HOST, f"build {missing}")
        built = artifacts.ensure(recipes, paths=self.lab.paths, progress=self.progress)
        new = {key: str(artifact.path) for key, artifact in built.items()}
        coming = {f"{key} of {self.distribution.version}": path for key, path in new.items()}
        self.lab.update(artifacts=record.artifacts | coming)
        return new

    def _upgrade(self, child: Child, node: Node, new: dict[str, str], *, first: bool) -> None:
        version = self.distribution.version
        title = f"Upgrading {node.name} to {version}"
        phase = self.distribution.upgrade_phase(node, new, first=first)
        with self.progress.task(title) as task:
            child.run(phase, lambda host, name: task.advance(0, 0, f"{host}: {name}"))
            readiness.wait_for_version(
                self.lab.connect(), node.name, version, timeout_s=self.bounds.nodes_s
            )
        self.done.add(node.name, f"upgrade to {version}")
