"""Nodes that are containers of kind: which of them are a lab's, and what can be done to them.

kind marks its containers with the name of their cluster, which anybody may choose. What is a
lab's is on a Docker network of its own as well, which is called by the lab's id and marked with
it. Only what is both is ever touched, and nothing is remembered that Docker can be asked.
"""

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_network
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lab.errors import CommandFailed, HostUnfit, InvalidValue, MachineError
from lab.machines.docker import docker, names
from lab.machines.topology import POD_SUBNET, SERVICE_SUBNET, Node

CLUSTER_LABEL = "io.x-k8s.kind.cluster"
ROLE_LABEL = "io.x-k8s.kind.role"
OWNER_LABEL = "local.lab.id"
# kind takes this for the network its containers are on, "experimentally" since 2020.
NETWORK_VARIABLE = "KIND_EXPERIMENTAL_DOCKER_NETWORK"
# What a client that was killed had asked for appears some moments later.
QUIET_S = 0.5
REMOVED_WITHIN_S = 120.0
# Where lab's own node image and kind's note their address (entrypoint of kindest/node).
NOTED = ("/kind/address", "/kind/old-ipv4")
SUBNETS = "{{range .IPAM.Config}}{{.Subnet}} {{end}}"
# As on nodes of the sandbox; 1024 is what every container has.
SERVER_SHARES = 2048


@dataclass(frozen=True, slots=True)
class KindCluster:
    """One cluster: its name for kind, the lab's id, and what was chosen for it.

    `image` is what its nodes run, empty for lab's own; `service_port` is the port of the host's
    loopback that leads to the service's node port on n1.
    """

    name: str
    lab_id: str
    image: str = ""
    service_port: int = 0

    @property
    def network(self) -> str:
        return f"lab-{self.lab_id}"

    @property
    def filters(self) -> tuple[str, ...]:
        return (f"label={CLUSTER_LABEL}={self.name}", f"network={self.network}")

    def container(self, node: Node) -> str:
        """Return what kind calls the node: there is one control plane, and workers are counted."""
        if node.is_server:
            return f"{self.name}-control-plane"
        count = node.number - 1
        return f"{self.name}-worker{count if count > 1 else ''}"

    def containers(self) -> list[str]:
        """Return the lab's containers, whatever state they are in."""
        return names(self.filters)

    def running(self) -> frozenset[str]:
        """Return those that run."""
        return frozenset(names([*self.filters, "status=running"]))

    def addresses(self, nodes: Sequence[Node]) -> dict[str, str]:
        """Return the address on the lab's network by the name of the node; of stopped ones none."""
        shown = docker("inspect", *(self.container(node) for node in nodes))
        found = {each["Name"].lstrip("/"): each for each in json.loads(shown)}
        return {
            node.name: networks[self.network]["IPAddress"]
            for node in nodes
            for networks in [found[self.container(node)]["NetworkSettings"]["Networks"]]
            if self.network in networks
        }


def config(cluster: KindCluster, nodes: Sequence[Node], image: str, node_port: int) -> str:
    """Return the configuration for `kind create cluster`, as JSON, which is YAML too.

    https://kind.sigs.k8s.io/docs/user/configuration; nodes get the names that lab gives them.
    """
    mapped = {
        "containerPort": node_port,
        "hostPort": cluster.service_port,
        "listenAddress": "127.0.0.1",
    }
    told: dict[str, Any] = {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "networking": {
            "apiServerAddress": "127.0.0.1",
            "podSubnet": str(POD_SUBNET),
            "serviceSubnet": str(SERVICE_SUBNET),
        },
        "nodes": [
            {
                "role": "control-plane" if node.is_server else "worker",
                "image": image,
                "kubeadmConfigPatches": [_named(node)],
                **({"extraPortMappings": [mapped]} if node.is_server else {}),
            }
            for node in nodes
        ],
    }
    return json.dumps(told, indent=1)


def _named(node: Node) -> str:
    kind = "InitConfiguration" if node.is_server else "JoinConfiguration"
    return f"kind: {kind}\nnodeRegistration:\n  name: {node.name}\n"


def require_free(cluster: KindCluster) -> None:
    """Raise InvalidValue where a cluster or a container of that name is there already."""
    label = f"label={CLUSTER_LABEL}={cluster.name}"
    taken = names([label]) or names([f"name=^/{cluster.name}-(control-plane|worker[0-9]*)$"])
    if taken:
        raise InvalidValue(
            f"the name {cluster.name!r} is taken: Docker has {', '.join(sorted(taken)[:3])}, which "
            "this lab did not make",
            hint=f"another --name, or kind delete cluster --name {cluster.name}",
        )


def make_network(cluster: KindCluster) -> None:
    """Make it; raises HostUnfit where Docker takes addresses that pods or services have."""
    docker(
        "network",
        "create",
        "--driver=bridge",
        f"--label={OWNER_LABEL}={cluster.lab_id}",
        cluster.network,
    )
    shown = docker("network", "inspect", "--format", SUBNETS, cluster.network)
    for subnet in map(ip_network, shown.split()):
        for what, taken in (("pods", POD_SUBNET), ("services", SERVICE_SUBNET)):
            if subnet.version == taken.version and subnet.overlaps(taken):
                raise HostUnfit(
                    f"Docker's network {cluster.network} got {subnet}, and {what} of the cluster "
                    f"have addresses of {taken}",
                    hint="default-address-pools in /etc/docker/daemon.json says what Docker takes; "
                    "docker network prune frees networks that nobody uses",
                )


def prefer_server(cluster: KindCluster, nodes: Sequence[Node]) -> None:
    """Give the control plane, and the observer with it, the CPU shares of two other nodes."""
    for node in nodes:
        if node.is_server:
            docker("update", f"--cpu-shares={SERVER_SHARES}", cluster.container(node))


def remove(cluster: KindCluster) -> None:
    """Remove the lab's containers with their volumes, and its network; nothing there is fine."""
    deadline = time.monotonic() + REMOVED_WITHIN_S
    while not _is_quiet(cluster):
        if time.monotonic() > deadline:
            raise MachineError(
                f"containers of {cluster.name} are still there after {REMOVED_WITHIN_S:g} s: "
                f"{', '.join(cluster.containers())}",
                hint=f"docker ps --all --filter label={CLUSTER_LABEL}={cluster.name}",
            )
    if has_network(cluster):
        docker("network", "rm", cluster.network)


def has_network(cluster: KindCluster) -> bool:
    """Whether the network is there and marked as this lab's."""
    filters = (f"name=^{cluster.network}$", f"label={OWNER_LABEL}={cluster.lab_id}")
    chosen = [word for each in filters for word in ("--filter", each)]
    return bool(docker("network", "ls", "--quiet", *chosen).split())


def _is_quiet(cluster: KindCluster) -> bool:
    """Remove what there is; tell whether for a moment there was nothing."""
    for last in (False, True):
        if found := cluster.containers():
            # One that is just being removed by somebody else is refused, and gone the next time.
            with suppress(CommandFailed):
                docker("rm", "--force", "--volumes", *found)
            return False
        if not last:
            time.sleep(QUIET_S)
    return True


def start(cluster: KindCluster, nodes: Sequence[Node]) -> None:
    """Start containers that were stopped, in the order of the addresses they had.

    Docker gives out the lowest address that is free, so that way each gets its own again. With
    another one the API's certificate and the nodes' ways to each other's pods would be wrong.
    """
    had = {node.name: last_address(cluster, node) for node in nodes}
    for node in sorted(nodes, key=lambda each: (had[each.name], not each.is_server, each.number)):
        docker("start", cluster.container(node))


def last_address(cluster: KindCluster, node: Node) -> int:
    """Return as a number the address that the container noted when it started, 0 without one.

    Docker has forgotten it: who is stopped has none.
    """
    with TemporaryDirectory() as place:
        for noted in NOTED:
            # A file that is not there fails as any other command does.
            with suppress(CommandFailed, ValueError):
                docker("cp", f"{cluster.container(node)}:{noted}", f"{place}/address")
                return int(IPv4Address(Path(place, "address").read_text().strip()))
    return 0


def stop(cluster: KindCluster, nodes: Sequence[Node]) -> None:
    if nodes:
        docker("stop", *(cluster.container(node) for node in nodes))


def cut_power(cluster: KindCluster, node: Node) -> None:
    """Kill everything in the container at once; one that does not run is fine."""
    if cluster.container(node) in cluster.running():
        docker("kill", cluster.container(node))


def shell(
    cluster: KindCluster, node: Node, arguments: Sequence[str], *, terminal: bool
) -> list[str]:
    """Return the command that runs `arguments` in the node as root, or a shell without any."""
    flags = ["--interactive", "--tty"] if terminal else ["--interactive"]
    words = ["sh", "-c", " ".join(arguments)] if arguments else ["bash", "--login"]
    return ["docker", "exec", *flags, cluster.container(node), *words]


def copy_program(container: str, name: str, target: Path) -> None:
    """Copy a program that is on the container's PATH to this host."""
    found = docker("exec", container, "sh", "-c", f"command -v {name}").strip()
    docker("cp", "--follow-link", f"{container}:{found}", str(target))


def environment(cluster: KindCluster) -> Mapping[str, str]:
    """Return what kind has to find in its environment."""
    return {NETWORK_VARIABLE: cluster.network, "KIND_EXPERIMENTAL_PROVIDER": "docker"}
