"""What faults do to a lab's nodes, and to the network between them."""

import time

from lab.errors import InvalidValue, LabError, NotReady
from lab.faults.isolate import DATABASE
from lab.kube import nodes as kube_nodes
from lab.kube.client import Client
from lab.lifecycle import power
from lab.lifecycle.access import run_on_node
from lab.lifecycle.lab import Lab
from lab.machines import isolation, kind_isolation
from lab.machines.kind import KindCluster
from lab.machines.topology import Node, find_node
from lab.provision.waiting import kubelet_unit
from lab.service import rollout
from lab.service.names import APP, DATA
from lab.service.placement import place
from lab.stages.draining import Draining
from lab.stages.own_events import OwnEvents

POSTGRES_PORT = 5432
COMMAND_WITHIN_S = 30.0
READY_WITHIN_S = 55.0
# A node that booted starts its agent first, and all of it on CPU that others use as well.
BOOTED_READY_WITHIN_S = 120.0
POLL_S = 0.2


class ClusterNodeFaults:
    """The capabilities of `lab.faults` that concern nodes."""

    def __init__(self, lab: Lab, client: Client, own: OwnEvents) -> None:
        self._lab = lab
        self._client = client
        self._own = own
        self._drains: dict[str, Draining] = {}

    def isolate(self, what: str) -> None:
        if self._lab.record.kind:
            self._isolate_container(self._lab.record.kind, what)
            return
        lab_id = self._own_network()
        if what == DATABASE:
            refuse_shared_data_node(self._lab.record.nodes)
            isolation.cut_port(lab_id, DATABASE, POSTGRES_PORT)
        else:
            isolation.cut_node(lab_id, self._target(what))

    def rejoin(self, what: str, *, wait: bool) -> None:
        if what not in self._cuts():
            return
        before = "" if what == DATABASE else kube_nodes.renewed(self._client, what)
        self._heal(what)
        if wait and what != DATABASE:
            self._wait_ready(what, since=before)

    def _isolate_container(self, cluster: KindCluster, what: str) -> None:
        if what == DATABASE:
            nodes = self._lab.record.nodes
            refuse_shared_data_node(nodes)
            data = next(node for node, roles in place(nodes).items() if DATA in roles)
            kind_isolation.cut_port(cluster, data, DATABASE, POSTGRES_PORT)
        else:
            kind_isolation.cut_node(cluster, self._target(what))

    def _cuts(self) -> tuple[str, ...]:
        if self._lab.record.kind:
            return kind_isolation.cuts(self._lab.record.kind, self._lab.record.nodes)
        return isolation.cuts(self._own_network())

    def _heal(self, what: str) -> None:
        if self._lab.record.kind:
            kind_isolation.heal(self._lab.record.kind, self._lab.record.nodes, what)
        else:
            isolation.heal(self._own_network(), what)

    def stop_agent(self, node: str) -> None:
        target = self._target(node)
        self._run(target, f"systemctl stop {self._unit(target)}")

    def start_agent(self, node: str, *, wait: bool) -> None:
        target = self._target(node)
        if self._run(target, f"systemctl is-active {self._unit(target)} || true") == "active":
            return
        before = kube_nodes.renewed(self._client, node)
        self._run(target, f"systemctl start {self._unit(target)}")
        if wait:
            self._wait_ready(node, since=before)

    def power_off(self, node: str) -> None:
        power.cut(self._lab, self._target(node))

    def power_on(self, node: str, *, wait: bool) -> None:
        target = self._target(node)
        was_off = not self._lab.machines.running([target])
        before = kube_nodes.renewed(self._client, node) if was_off else ""
        power.restore(self._lab, target, wait=wait)
        if wait:
            self._wait_ready(node, since=before, within_s=BOOTED_READY_WITHIN_S)

    def delete_pods_on(self, node: str) -> None:
        self._target(node)
        rollout.delete_pods_on(self._client, node)

    def drain(self, node: str, *, timeout_s: float) -> None:
        self._target(node)
        self._stop_draining(node)
        self._drains[node] = Draining(self._client, node, timeout_s, self._own)
        self._drains[node].begin()

    def uncordon(self, node: str) -> None:
        self._target(node)
        self._stop_draining(node)
        kube_nodes.set_schedulable(self._client, node, schedulable=True)

    def close(self) -> None:
        for node in tuple(self._drains):
            self._stop_draining(node)

    def _stop_draining(self, node: str) -> None:
        if (draining := self._drains.pop(node, None)) is not None:
            draining.stop()

    def _target(self, name: str) -> Node:
        """Return the lab's node of that name; raises NoSuchNode, InvalidValue for the home."""
        node = find_node(self._lab.record.nodes, name)
        if node == self._lab.record.home:
            raise InvalidValue(
                f"{name} is home to the observer, which would be hit as well",
                hint="lab status shows the others",
            )
        return node

    def _own_network(self) -> str:
        """Return the id of the lab whose network is lab's own to cut."""
        if self._lab.record.hosts:
            raise InvalidValue(
                "the nodes are machines of an inventory: their network is not lab's to cut",
                hint="lab up --name sandbox makes nodes whose network is",
            )
        return self._lab.record.lab_id

    def _unit(self, node: Node) -> str:
        unit = kubelet_unit(self._lab.record.versions, is_server=node.is_server)
        if not unit:
            raise LabError(f"no unit is known that runs the agent of {node.name}")
        return unit

    def _run(self, node: Node, script: str) -> str:
        return run_on_node(self._lab, node, script, timeout_s=COMMAND_WITHIN_S).strip()

    def _wait_ready(self, name: str, *, since: str, within_s: float = READY_WITHIN_S) -> None:
        """Return when the node has renewed its lease after `since`, and is Ready.

        It counts as Ready for a while after it was lost, and after it has come back may
        count as lost for a moment: only both together say that it is there.
        """
        deadline = time.monotonic() + within_s
        while problem := self._missing(name, since):
            if time.monotonic() > deadline:
                raise NotReady(
                    f"{name} was not Ready again within {within_s:g} s: {problem}",
                    hint=f"lab kubectl describe node {name}; lab logs {name}",
                )
            time.sleep(POLL_S)

    def _missing(self, name: str, since: str) -> str:
        if kube_nodes.renewed(self._client, name) == since:
            return "its agent has not been heard of"
        found = next((n for n in kube_nodes.list_nodes(self._client) if n.name == name), None)
        if found is None:
            return "the cluster does not have it"
        return "" if found.ready else found.reason or "it is not Ready"


def refuse_shared_data_node(nodes: tuple[Node, ...]) -> None:
    """Raise InvalidValue where pods of the service are on the database's node.

    They would still reach it, as they do not cross the network between nodes.
    """
    for node, roles in place(nodes).items():
        if DATA in roles and APP in roles:
            raise InvalidValue(
                f"database and service share {node.name}, so no network between them can be cut",
                hint="lab up --nodes 6",
            )
