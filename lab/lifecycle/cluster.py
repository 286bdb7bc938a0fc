"""Make booted nodes one cluster, and see that it works."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from lab.errors import ClusterUnreachable, NotReady, RequestRefused
from lab.files import write_json
from lab.kube import identity, tokens
from lab.kube import nodes as kube_nodes
from lab.kube.client import Client
from lab.lifecycle import own_hosts, servers
from lab.lifecycle.bounds import Bounds
from lab.lifecycle.lab import Lab
from lab.lifecycle.plan import CLUSTER, HOST, Done, preparation
from lab.machines import cgroups
from lab.machines.topology import Node, home
from lab.progress import Progress, Task
from lab.provision import pod_network, readiness
from lab.provision.child import Child, Phase
from lab.provision.distribution import Distribution, Outputs, Settings
from lab.provision.waiting import kubelet_unit

# A server of k3s takes ten requests at once that change something (pkg/server/handlers).
JOINING_AT_ONCE = 10


def start_child(lab: Lab) -> Child:
    """Return the provisioning child; entered early, it loads pyinfra while nodes boot."""
    return Child(lab.machines, lab.directory / "provision.log")


def bind(
    lab: Lab,
    distribution: Distribution,
    artifacts: Mapping[str, str],
    bounds: Bounds,
    progress: Progress,
) -> Distribution:
    """Return the distribution with what it has to know of artifacts and the lab's machines."""
    ground = None
    if lab.record.hosts:
        ground = own_hosts.make_ground(
            lab, distribution, artifacts, wait_s=bounds.nodes_s, progress=progress
        )
    return distribution.bind(artifacts, ground)


@dataclass(slots=True)
class Cluster:
    """The cluster of one lab."""

    lab: Lab
    distribution: Distribution
    bounds: Bounds
    progress: Progress
    done: Done

    @property
    def waiting(self) -> tuple[Node, ...]:
        """Return the nodes that are not known to have joined."""
        joined = self.lab.record.joined
        return tuple(node for node in self.lab.record.nodes if node.name not in joined)

    def needs_provisioning(self) -> bool:
        """Whether a node has not joined, or the admin's access must be asked for again."""
        joined = len(self.lab.record.joined) == len(self.lab.record.nodes)
        return not joined or not self.lab.has_own_kubeconfig()

    def provision(self, child: Child) -> None:
        """Prepare new nodes, beside it make a cluster if there is none, and let the others join.

        They join through a server that answers, whichever made the cluster.
        """
        self.distribution = bind(
            self.lab, self.distribution, self.lab.record.artifacts, self.bounds, self.progress
        )
        if self.lab.record.hosts and self.waiting:
            own_hosts.send(self.lab, self.distribution, self.waiting, self.progress)
        server = servers.founder(self.lab.record)
        if server is None:
            server = servers.find(self.lab, within_s=self.bounds.nodes_s)
        outputs = self._start(child, server, self._secrets())
        client = self._introduce(server, outputs)
        if self.distribution.coredns_image:
            readiness.apply_coredns(client, self.distribution.coredns_image)
        if self.waiting:
            self._admit(child, client, outputs)

    def check(self) -> None:
        """Return when everything has been seen to work; nothing of the check stays behind."""
        record = self.lab.record
        with self.progress.task("Waiting for nodes to be Ready") as task:
            client = self.connect_when_up()
            pod_network.start_probes(
                client,
                record.nodes,
                self.distribution.probe_image,
                timeout_s=self.bounds.nodes_s,
                versions=record.versions,
            )
            self._wait_for_nodes(client, task)
        with self.progress.task("Checking DNS, pods and services from every node") as task:
            pod_network.wait_for_network(
                client,
                record.nodes,
                timeout_s=self.bounds.network_s,
                advance=task.advance,
                versions=record.versions,
            )
            pod_network.remove_probes(client)
            # A node that boots again counts as Ready from before until its kubelet has
            # spoken, and a kubelet that starts may first say that it is not, for 10 s.
            self._wait_for_nodes(client, task)
        self.lab.update(gate_passed=True)
        self.done.add(CLUSTER, "check")

    def _wait_for_nodes(self, client: Client, task: Task) -> None:
        record = self.lab.record
        readiness.wait_for_nodes(
            client,
            record.nodes,
            record.versions,
            timeout_s=self.bounds.nodes_s,
            advance=task.advance,
        )

    def connect_when_up(self) -> Client:
        """Connect as soon as the API server answers: after a boot it takes some seconds."""
        deadline = time.monotonic() + self.bounds.nodes_s
        while True:
            try:
                return self.lab.connect()
            except (ClusterUnreachable, RequestRefused) as exc:
                if time.monotonic() > deadline:
                    raise NotReady(
                        f"the API server did not answer within {self.bounds.nodes_s:g} s "
                        f"({exc.message})",
                        hint=f"lab logs {self.lab.record.home.name} --unit {self._server_unit()}",
                    ) from exc
                time.sleep(0.2)

    def insist(self, action: Callable[[Client], None]) -> None:
        """Do what may be done twice; while etcd elects a leader, the API refuses for a moment."""
        deadline = time.monotonic() + self.bounds.nodes_s
        while True:
            try:
                action(self.connect_when_up())
            except (ClusterUnreachable, RequestRefused):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
            else:
                return

    def keep_one_free(self, client: Client, nodes: tuple[Node, ...]) -> None:
        """Keep the home of the observer free of what is scheduled, and no other server.

        The taint keeps new pods away and drives none out, so that nothing is disturbed where it
        moves to.
        """
        if not self.distribution.keeps_one_free or len(nodes) == 1:
            return
        present = {node.name for node in kube_nodes.list_nodes(client)}
        for node in nodes:
            if node.is_server and node.name in present:
                taint = {kube_nodes.CONTROL_PLANE: node == home(nodes)}
                kube_nodes.mark(client, node.name, labels={}, taints=taint)

    def _server_unit(self) -> str:
        return kubelet_unit(self.lab.record.versions, is_server=True)

    def _secrets(self) -> dict[str, str]:
        """Return what the cluster's nodes are admitted by; the same at each try if it must be."""
        if not self.distribution.keeps_secrets:
            return self.distribution.make_secrets()
        file = self.lab.keys.directory / "cluster-secrets.json"
        if not file.exists():
            write_json(file, self.distribution.make_secrets(), owner=self.lab.paths.caller)
        kept: dict[str, str] = json.loads(file.read_text())
        return kept

    def _start(self, child: Child, server: Node, secrets: dict[str, str]) -> dict[str, str]:
        new = self.waiting
        phase = self.distribution.start_phase(
            self.lab.record.nodes, self.settings(), secrets=secrets, new=new, server=server
        )
        outputs = self._run(child, phase)[server.name] | {"server_address": server.address}
        for node in new:
            self.done.add(node.name, preparation(own_hosts.installed(self.lab.record)))
        if server in new:
            self.done.add(server.name, "make cluster")
        # What was read counts: k3s gives its tokens back in the form that pins its CA.
        return secrets | outputs

    def _introduce(self, server: Node, outputs: Outputs) -> Client:
        """Record who the cluster is, write the kubeconfig, and return a checked client."""
        admin = outputs["admin_kubeconfig"]
        if not self.lab.record.identity:
            self.lab.update(identity=identity.read(self.lab.access(admin, server)))
        if not self.lab.has_own_kubeconfig():
            self.done.add(HOST, "write kubeconfig")
        self.lab.write_kubeconfig(admin, server)
        self.lab.update(joined=self.lab.record.with_joined(server.name).joined)
        return self.lab.connect()

    def _admit(self, child: Child, client: Client, outputs: Outputs) -> None:
        if not self.distribution.admits_by_token:
            self._join(child, client, outputs)
            return
        token = outputs["token"]
        tokens.allow(client, token)
        tokens.wait_until_signed(client, token, timeout_s=self.bounds.nodes_s)
        self._join(child, client, outputs)
        # Only now: a kubeadm whose caller was cut short goes on, and would wait for minutes.
        tokens.revoke(client, token)

    def _join(self, child: Child, client: Client, outputs: Outputs) -> None:
        nodes, bound = self.lab.record.nodes, self.distribution
        for node in self.waiting:
            # A node of that name may be left from a try that was cut short; kubeadm
            # refuses to join beside one that still counts as Ready.
            kube_nodes.delete(client, node.name)
        coming = tuple(node for node in self.waiting if node.is_server)
        if coming or self.lab.record.hosts:
            self._tell_joined(child)
        for server in coming:
            self._run(child, bound.join_server_phase(server, nodes, outputs))
            self.insist(lambda asked: self.keep_one_free(asked, nodes))
            self._note_joined(server)
        while agents := self.waiting[:JOINING_AT_ONCE]:
            self._run(child, bound.join_phase(agents, nodes, outputs))
            self._note_joined(*agents)

    def _tell_joined(self, child: Child) -> None:
        """Tell nodes that joined before which servers there will be; new ones know already."""
        nodes = self.lab.record.nodes
        joined = tuple(node for node in nodes if node not in self.waiting)
        phase = self.distribution.know_phase(joined, nodes) if joined else None
        if phase:
            self._run(child, phase)

    def _note_joined(self, *joined: Node) -> None:
        names = [node.name for node in joined]
        self.lab.update(joined=self.lab.record.with_joined(*names).joined)
        for node in joined:
            self.done.add(node.name, "join as server" if node.is_server else "join")

    def _run(self, child: Child, phase: Phase) -> dict[str, dict[str, str]]:
        """Run a phase, showing its operations; return node → what was read from it."""
        title = phase.title[0].upper() + phase.title[1:]
        addresses = tuple(node.address for node in self.lab.record.server_nodes)
        known = replace(
            phase,
            distribution=self.distribution.name,
            servers=addresses,
            # Who gives the nodes more time than usual means hosts that are slow.
            timeout_s=max(phase.timeout_s, self.bounds.nodes_s),
        )
        with self.progress.task(title) as task:
            return child.run(known, lambda host, name: task.advance(0, 0, f"{host}: {name}"))

    def _is_unified(self) -> bool:
        """Whether the nodes have cgroup v2: systemd there is the one that has to know of pods."""
        if not self.lab.record.hosts:
            return cgroups.is_unified()
        return own_hosts.are_unified(self.lab, self.waiting)

    def settings(self) -> Settings:
        record = self.lab.record
        return Settings(
            cluster_name=f"lab-{record.name}",
            version=record.version,
            images_key=record.artifacts.get("images", "").rsplit("-", 1)[-1],
            cgroup_driver="systemd" if self._is_unified() else "cgroupfs",
        )
