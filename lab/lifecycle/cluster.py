"""Make booted nodes one cluster, and see that it works."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from lab.errors import ClusterUnreachable, NotReady, RequestRefused
from lab.kube import identity, nodes, tokens
from lab.kube.client import Client
from lab.lifecycle.bounds import Bounds
from lab.lifecycle.lab import Lab
from lab.machines import cgroups, network
from lab.machines.topology import Node
from lab.progress import Progress
from lab.provision import readiness
from lab.provision.child import Child, Phase
from lab.provision.distribution import Admission, Distribution, Settings
from lab.provision.kubeadm_phases import make_token

Outputs = dict[str, str]


@dataclass(frozen=True, slots=True)
class Children:
    """Two provisioning children, so that agents are prepared while the server starts."""

    server: Child
    agents: Child | None

    def kill(self) -> None:
        for child in filter(None, (self.server, self.agents)):
            child.kill()


@contextmanager
def start_children(lab: Lab) -> Iterator[Children]:
    """Start them early: each needs a second to load pyinfra."""
    namespace = network.name(lab.record.lab_id)

    def child(role: str) -> Child:
        return Child(namespace, lab.keys, lab.directory / f"provision-{role}.log")

    with ExitStack() as stack:
        server = stack.enter_context(child("server"))
        has_agents = len(lab.record.nodes) > 1
        agents = stack.enter_context(child("agents")) if has_agents else None
        yield Children(server, agents)


@dataclass(slots=True)
class Cluster:
    """The cluster of one lab."""

    lab: Lab
    distribution: Distribution
    bounds: Bounds
    progress: Progress

    @property
    def server(self) -> Node:
        return self.lab.record.nodes[0]

    @property
    def waiting(self) -> tuple[Node, ...]:
        """Return the agents that are not known to have joined."""
        joined = self.lab.record.joined
        return tuple(n for n in self.lab.record.nodes[1:] if n.name not in joined)

    def needs_provisioning(self) -> bool:
        """Whether a node has not joined, or the admin's access must be asked for again."""
        joined = len(self.lab.record.joined) == len(self.lab.record.nodes)
        return not joined or not self.lab.has_own_kubeconfig()

    def provision(self, children: Children) -> None:
        """Make the server, prepare the agents beside it, then let them join."""
        agents, token = self.waiting, make_token()
        with ThreadPoolExecutor(max_workers=1) as pool:
            prepared = pool.submit(self._prepare, children.agents, agents)
            try:
                outputs = self._make_server(children.server, token)
                client = self._introduce(outputs)
                readiness.apply_coredns(client, self.distribution.coredns_image)
                prepared.result()
            except BaseException:
                # Or an interrupt would wait here for all that the agents have to do.
                children.kill()
                raise
        self._join(children.agents, client, agents, outputs, token)

    def check(self) -> None:
        """Return when everything has been seen to work; nothing of the check stays behind."""
        record = self.lab.record
        with self.progress.task("Waiting for nodes to be Ready") as task:
            client = self._connect_when_up()
            readiness.start_probes(client, record.nodes, self.distribution.probe_image)
            readiness.wait_for_nodes(
                client,
                record.nodes,
                record.version,
                timeout_s=self.bounds.nodes_s,
                advance=task.advance,
            )
        with self.progress.task("Checking DNS, pods and services from every node") as task:
            readiness.wait_for_network(
                client, record.nodes, timeout_s=self.bounds.network_s, advance=task.advance
            )
            readiness.remove_probes(client)
        self.lab.update(gate_passed=True)

    def _connect_when_up(self) -> Client:
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
                        hint=f"lab logs {self.server.name} --unit kubelet",
                    ) from exc
                time.sleep(0.2)

    def _make_server(self, child: Child, token: str) -> Outputs:
        record = self.lab.record
        if self.server.name in record.joined:
            return self._run(child, self.distribution.outputs_phase(self.server))
        phase = self.distribution.server_phase(
            self.server, record.nodes, self._settings(), token=token
        )
        return self._run(child, phase)

    def _introduce(self, outputs: Outputs) -> Client:
        """Record who the cluster is, write the kubeconfig, and return a checked client."""
        admin = outputs["admin_kubeconfig"]
        if not self.lab.record.identity:
            self.lab.update(identity=identity.read(self.lab.access(admin)))
        self.lab.write_kubeconfig(admin)
        self.lab.update(joined=self.lab.record.with_joined(self.server.name).joined)
        return self.lab.connect()

    def _prepare(self, child: Child | None, agents: tuple[Node, ...]) -> None:
        if child and agents:
            phase = self.distribution.prepare_phase(agents, self.lab.record.nodes, self._settings())
            self._run(child, phase)

    def _join(
        self,
        child: Child | None,
        client: Client,
        agents: tuple[Node, ...],
        outputs: Outputs,
        token: str,
    ) -> None:
        if not child or not agents:
            return
        admission = Admission(token, outputs["ca"], outputs["kube_proxy_config"])
        tokens.allow(client, token)
        for node in agents:
            # A node of that name may be left from a try that was cut short; kubeadm
            # refuses to join beside one that still counts as Ready.
            nodes.delete(client, node.name)
        self._run(child, self.distribution.join_phase(agents, self.server, admission))
        tokens.revoke(client, token)
        names = [node.name for node in agents]
        self.lab.update(joined=self.lab.record.with_joined(*names).joined)

    def _run(self, child: Child, phase: Phase) -> Outputs:
        """Run a phase, showing its operations; return what was read from its first target."""
        title = phase.title[0].upper() + phase.title[1:]
        with self.progress.task(title) as task:
            answers = child.run(phase, lambda host, name: task.advance(0, 0, f"{host}: {name}"))
        return answers[phase.targets[0].name]

    def _settings(self) -> Settings:
        record = self.lab.record
        return Settings(
            cluster_name=f"lab-{record.name}",
            version=record.version,
            images_key=record.artifacts["images"].rsplit("-", 1)[-1],
            cgroup_driver="systemd" if cgroups.is_unified() else "cgroupfs",
        )
