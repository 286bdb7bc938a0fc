"""The phases that make a k3s cluster, as data for the provisioning child.

Sandbox nodes have program and images in a layer below their disk, and see the cache, from which
an upgrade takes the new ones. To hosts of one's own both are uploaded from the controller.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from lab.artifacts import kubeimages
from lab.artifacts.k3s import K3sChoice
from lab.artifacts.k3sprobe import K3sProbe
from lab.artifacts.kubeadm import go_recipes
from lab.artifacts.noderoot import NodeRoot
from lab.artifacts.recipe import Recipe
from lab.artifacts.recipe import architecture as own_architecture
from lab.machines.topology import API_NAME, CLUSTER_DNS, POD_SUBNET, SERVICE_SUBNET, Node
from lab.provision.child import Phase, Target
from lab.provision.distribution import Ground, Outputs, Settings
from lab.provision.k3s_config import DATA, Cluster, ca_hash, check_token
from lab.provision.k3s_files import Files
from lab.provision.phases import Parcel, api_addresses, name_range, release_script
from lab.provision.rendering import in_turn, render_text

UNINSTALL = "k3s-uninstall.sh.j2"
LAYERS = ("noderoot", "k3s", "k3sprobe")
TOKEN_BYTES = 32
SERVER_WAIT_S = 180
AGENT_WAIT_S = 60
START_BOUND_S = 300
UPGRADE_BOUND_S = 420
# To all hosts at once, some 300 MB each.
UPLOAD_BOUND_S = 1200

# What a server hands to the parent, each read over SSH.
OUTPUTS = {
    "admin_kubeconfig": "cat /etc/rancher/k3s/k3s.yaml",
    "ca": f"cat {DATA}/server/tls/server-ca.crt",
    "server_token": f"cat {DATA}/server/token",
    "agent_token": f"cat {DATA}/server/agent-token",
}
# Six kubelets share one kernel and one disk of the host: its fullness is no reason for each of
# them to remove images and pods, swap is its affair, and cgroup v1 is known.
SANDBOX = Cluster(
    pods=str(POD_SUBNET),
    services=str(SERVICE_SUBNET),
    dns=str(CLUSTER_DNS),
    # One layer 2, so that no tunnel is needed.
    flannel="host-gw",
    kubelet=(
        "fail-cgroupv1=false",
        "fail-swap-on=false",
        "image-gc-high-threshold=100",
        "eviction-hard=imagefs.available<0%,nodefs.available<0%",
    ),
    kube_proxy=("conntrack-max-per-core=0",),
)
# Machines with a kernel and a disk of their own, in any network: k3s' own settings hold, but for
# cgroup v1, which preflight only warns of. The ranges are the sandbox's.
HOSTS = Cluster(
    pods=SANDBOX.pods,
    services=SANDBOX.services,
    dns=SANDBOX.dns,
    flannel="vxlan",
    kubelet=("fail-cgroupv1=false",),
)


def make_tokens() -> dict[str, str]:
    """Return the two secrets of a cluster, 256 random bits each: of servers, and of agents."""
    return {name: secrets.token_hex(TOKEN_BYTES) for name in ("server_token", "agent_token")}


@dataclass(frozen=True, slots=True)
class K3s:
    """k3s from its release; implements `lab.provision.distribution.Distribution`.

    `architecture` is that of the nodes; `adopt` allows to take over a k3s that lab did not put
    there. `files` are known once it is bound, and `ground` where the nodes are machines of an
    inventory, which do not see the controller's cache.
    """

    choice: K3sChoice = field(default_factory=K3sChoice)
    architecture: str = field(default_factory=own_architecture)
    adopt: bool = False
    cluster: Cluster = SANDBOX
    files: Files | None = None
    ground: Ground | None = None
    name: str = "k3s"
    probe_image: str = kubeimages.PROBE
    coredns_image: str = ""
    keeps_one_free: bool = False
    keeps_secrets: bool = True
    admits_by_token: bool = False
    upgrades: bool = True

    @property
    def version(self) -> str:
        return self.choice.lock.version

    def recipes(self) -> tuple[Recipe, ...]:
        return (NodeRoot(), *self.host_recipes())

    def host_recipes(self) -> tuple[Recipe, ...]:
        """Return what a machine that has a system of its own needs."""
        programs = {recipe.name: recipe for recipe in go_recipes()}
        return (
            replace(programs["pause"], architecture=self.architecture),
            K3sProbe(self.architecture),
            self.choice.recipe(self.architecture),
        )

    def layers(self, trees: Mapping[str, Path]) -> tuple[Path, ...]:
        return tuple(trees[name] for name in LAYERS)

    def host_uploads(self) -> Mapping[str, tuple[str, tuple[str, ...]]]:
        """Return nothing: program and images go as they are, they are packed already."""
        return {}

    def parcels(self, node: Node) -> tuple[Parcel, ...]:
        return self._bound().parcels()

    def bind(self, artifacts: Mapping[str, str], ground: Ground | None = None) -> Self:
        cluster = HOSTS if ground else self.cluster
        files = Files.of(artifacts, self.architecture)
        return replace(self, files=files, ground=ground, cluster=cluster)

    def make_secrets(self) -> dict[str, str]:
        return make_tokens()

    def know_phase(self, nodes: tuple[Node, ...], all_nodes: tuple[Node, ...]) -> Phase:
        """Return the phase; an agent that runs is told by the servers, one that starts is not."""
        targets = tuple(
            Target(
                node.name,
                node.address,
                ("k3s_know",),
                {"servers": [each for each in _servers(all_nodes) if each != node.address]},
            )
            for node in nodes
        )
        return Phase("telling all nodes where the API is", targets, distribution=self.name)

    def upgrade_phase(self, node: Node, artifacts: Mapping[str, str], *, first: bool) -> Phase:
        """Return the phase; what the node gets is told by `artifacts`, and not by the binding."""
        files = Files.of(artifacts, self.architecture)
        data = {
            "node_name": node.name,
            "is_server": node.is_server,
            "first": first,
            "version": self.version,
            "wait_s": _wait_s(node),
            **(files.uploaded() if self.ground else files.in_store()),
        }
        return Phase(
            f"upgrading {node.name}",
            (Target(node.name, node.address, ("k3s_upgrade",), data),),
            distribution=self.name,
            timeout_s=UPLOAD_BOUND_S if self.ground else UPGRADE_BOUND_S,
        )

    def start_phase(
        self,
        nodes: tuple[Node, ...],
        settings: Settings,
        *,
        secrets: Mapping[str, str],
        new: tuple[Node, ...],
        server: Node,
    ) -> Phase:
        targets = [
            Target(
                node.name,
                node.address,
                (*self._claim(), "k3s_prepare"),
                self._data(node, nodes, {}, ""),
            )
            for node in new
            if node != server
        ]
        data = self._data(server, nodes, secrets, "")
        deploys = (*self._claim(), "k3s_server") if server in new else ()
        title = f"preparing {name_range(new)}" if new else f"asking {server.name} for its keys"
        return Phase(
            title + (f", starting the server on {server.name}" if server in new else ""),
            (Target(server.name, server.address, deploys, data, dict(OUTPUTS)), *targets),
            timeout_s=UPLOAD_BOUND_S if self.ground and new else START_BOUND_S,
            distribution=self.name,
            servers=_servers(nodes),
        )

    def join_server_phase(self, server: Node, nodes: tuple[Node, ...], outputs: Outputs) -> Phase:
        return Phase(
            f"joining {server.name} as a server",
            (self._joining(server, nodes, outputs, "k3s_server"),),
            distribution=self.name,
            servers=_servers(nodes),
        )

    def join_phase(
        self, agents: tuple[Node, ...], nodes: tuple[Node, ...], outputs: Outputs
    ) -> Phase:
        targets = tuple(self._joining(node, nodes, outputs, "k3s_agent") for node in agents)
        return Phase(
            f"joining {name_range(agents)}",
            targets,
            distribution=self.name,
            servers=_servers(nodes),
        )

    def leave_phase(self, node: Node) -> Phase:
        return Phase(
            f"stopping k3s on {node.name}", (Target(node.name, node.address, ("k3s_leave",), {}),)
        )

    def uninstall_phase(self, nodes: tuple[Node, ...]) -> Phase:
        data = {"program_sha256": self._bound().program_sha256}
        targets = tuple(Target(node.name, node.address, ("k3s_uninstall",), data) for node in nodes)
        return Phase(f"removing k3s from {name_range(nodes)}", targets)

    def uninstall_script(self, *, owner: str) -> str:
        """Return the script; the program is known there by the hashes that were noted."""
        values = {"owner": owner, "program_sha256": ""}
        return in_turn(render_text(UNINSTALL, values), release_script(owner))

    def _claim(self) -> tuple[str, ...]:
        """Return the deploy that comes before all others on a host that is not lab's."""
        return ("claim",) if self.ground else ()

    def _labels(self) -> list[str]:
        """Return what tells on a machine of an inventory whose node it is."""
        return [f"lab.cluster={self.ground.owner.split()[0]}"] if self.ground else []

    def _joining(
        self, node: Node, nodes: tuple[Node, ...], outputs: Outputs, deploy: str
    ) -> Target:
        """Return a target that joins with the secure tokens, which pin the CA."""
        ca = outputs["ca"]
        tokens = {"agent_token": check_token(outputs["agent_token"], ca)}
        if node.is_server:
            tokens["server_token"] = check_token(outputs["server_token"], ca)
        data = self._data(node, nodes, tokens, ca_hash(ca))
        data["server_address"] = outputs["server_address"]
        return Target(node.name, node.address, (deploy,), data)

    def _data(
        self, node: Node, nodes: tuple[Node, ...], tokens: Mapping[str, str], pinned: str
    ) -> dict[str, Any]:
        servers = [each for each in nodes if each.is_server]
        return {
            "node_name": node.name,
            "address": node.address,
            "version": self.version,
            **(self._bound().uploaded() if self.ground else self._bound().in_layers()),
            "etcd": len(servers) > 1,
            "server_address": "",
            "ca_hash": pinned,
            "san": ["127.0.0.1", API_NAME, *api_addresses(node, nodes)],
            "labels": self._labels(),
            "cluster": {key: getattr(self.cluster, key) for key in Cluster.__dataclass_fields__},
            "tokens": dict(tokens),
            "adopt": self.adopt,
            **({"owner": self.ground.owner} if self.ground else {}),
            "wait_s": _wait_s(node),
        }

    def _bound(self) -> Files:
        if self.files is None:
            raise ValueError("k3s is not bound to what was built")
        return self.files


def _servers(nodes: tuple[Node, ...]) -> tuple[str, ...]:
    return tuple(node.address for node in nodes if node.is_server)


def _wait_s(node: Node) -> int:
    return SERVER_WAIT_S if node.is_server else AGENT_WAIT_S
