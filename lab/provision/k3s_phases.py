"""The phases that make a k3s cluster, as data for the provisioning child."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any, Self

from lab.artifacts import kubeimages
from lab.artifacts.k3s import IMAGES, PROGRAM, K3sChoice
from lab.artifacts.k3s_lock import images_file
from lab.artifacts.k3sprobe import K3sProbe
from lab.artifacts.kubeadm import go_recipes
from lab.artifacts.noderoot import NodeRoot
from lab.artifacts.recipe import Recipe, architecture
from lab.machines.nspawn import STORE
from lab.machines.topology import API_NAME, CLUSTER_DNS, POD_SUBNET, SERVICE_SUBNET, Node
from lab.provision.child import Phase, Target
from lab.provision.distribution import Outputs, Settings
from lab.provision.k3s_config import DATA, Cluster, ca_hash, check_token
from lab.provision.phases import api_addresses, name_range

LAYERS = ("noderoot", "k3s", "k3sprobe")
TOKEN_BYTES = 32
SERVER_WAIT_S = 180
AGENT_WAIT_S = 60

# What the first server hands to the parent, each read over SSH.
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


def make_tokens() -> dict[str, str]:
    """Return the two secrets of a cluster, 256 random bits each: of servers, and of agents."""
    return {name: secrets.token_hex(TOKEN_BYTES) for name in ("server_token", "agent_token")}


@dataclass(frozen=True, slots=True)
class K3s:
    """k3s from its release; implements `lab.provision.distribution.Distribution`."""

    choice: K3sChoice = field(default_factory=K3sChoice)
    program_sha256: str = ""
    images_sha256: str = ""
    name: str = "k3s"
    probe_image: str = kubeimages.PROBE
    coredns_image: str = ""
    keeps_secrets: bool = True
    admits_by_token: bool = False
    upgrades: bool = False
    cluster: Cluster = SANDBOX

    @property
    def version(self) -> str:
        return self.choice.lock.version

    def recipes(self) -> tuple[Recipe, ...]:
        programs = {recipe.name: recipe for recipe in go_recipes()}
        return (NodeRoot(), programs["pause"], K3sProbe(), self.choice.recipe())

    def layers(self, trees: Mapping[str, Path]) -> tuple[Path, ...]:
        return tuple(trees[name] for name in LAYERS)

    def bind(self, artifacts: Mapping[str, str]) -> Self:
        tree = Path(artifacts["k3s"]) / "tree"
        program, images = (
            _sha256(tree / place) for place in (PROGRAM, f"{IMAGES}/{images_file(architecture())}")
        )
        return replace(self, program_sha256=program, images_sha256=images)

    def make_secrets(self) -> dict[str, str]:
        return make_tokens()

    def know_phase(self, nodes: tuple[Node, ...], all_nodes: tuple[Node, ...]) -> Phase | None:
        """Return None: an agent of k3s is told by the servers themselves."""
        return None

    def upgrade_phase(self, node: Node, artifacts: Mapping[str, str], *, first: bool) -> Phase:
        """Return the phase; what the nodes have is told by `artifacts`, wherever this is bound."""
        new = self.bind(artifacts)
        tree = PurePath(STORE, PurePath(artifacts["k3s"]).name, "tree")
        data = {
            "node_name": node.name,
            "is_server": node.is_server,
            "first": first,
            "version": self.version,
            "program": "",
            "program_on_node": str(tree / PROGRAM),
            "program_sha256": new.program_sha256,
            "images": "",
            "images_on_node": str(tree / IMAGES),
            "images_name": images_file(architecture()),
            "images_sha256": new.images_sha256,
            "wait_s": SERVER_WAIT_S if node.is_server else AGENT_WAIT_S,
        }
        target = Target(node.name, node.address, ("k3s_upgrade",), data)
        return Phase(f"upgrading {node.name}", (target,))

    def start_phase(
        self,
        nodes: tuple[Node, ...],
        settings: Settings,
        *,
        secrets: Mapping[str, str],
        new: tuple[Node, ...],
    ) -> Phase:
        first = next(node for node in nodes if node.is_server)
        targets = [
            Target(node.name, node.address, ("k3s_prepare",), self._data(node, nodes, {}, ""))
            for node in new
            if node != first
        ]
        data = self._data(first, nodes, secrets, "")
        deploys = ("k3s_server",) if first in new else ()
        title = f"preparing {name_range(new)}" if new else f"asking {first.name} for its keys"
        return Phase(
            title + (f", starting the server on {first.name}" if first in new else ""),
            (Target(first.name, first.address, deploys, data, dict(OUTPUTS)), *targets),
        )

    def join_server_phase(self, server: Node, nodes: tuple[Node, ...], outputs: Outputs) -> Phase:
        return Phase(
            f"joining {server.name} as a server",
            (self._joining(server, nodes, outputs, "k3s_server"),),
        )

    def join_phase(
        self, agents: tuple[Node, ...], nodes: tuple[Node, ...], outputs: Outputs
    ) -> Phase:
        targets = tuple(self._joining(node, nodes, outputs, "k3s_agent") for node in agents)
        return Phase(f"joining {name_range(agents)}", targets)

    def leave_phase(self, node: Node) -> Phase:
        return Phase(
            f"stopping k3s on {node.name}", (Target(node.name, node.address, ("k3s_leave",), {}),)
        )

    def uninstall_phase(self, nodes: tuple[Node, ...]) -> Phase:
        data = {"program_sha256": self.program_sha256}
        targets = tuple(Target(node.name, node.address, ("k3s_uninstall",), data) for node in nodes)
        return Phase(f"removing k3s from {name_range(nodes)}", targets)

    def _joining(
        self, node: Node, nodes: tuple[Node, ...], outputs: Outputs, deploy: str
    ) -> Target:
        """Return a target that joins with the secure tokens, which pin the CA."""
        ca = outputs["ca"]
        tokens = {"agent_token": check_token(outputs["agent_token"], ca)}
        if node.is_server:
            tokens["server_token"] = check_token(outputs["server_token"], ca)
        return Target(
            node.name, node.address, (deploy,), self._data(node, nodes, tokens, ca_hash(ca))
        )

    def _data(
        self, node: Node, nodes: tuple[Node, ...], tokens: Mapping[str, str], pinned: str
    ) -> dict[str, Any]:
        servers = [each for each in nodes if each.is_server]
        name = images_file(architecture())
        return {
            "node_name": node.name,
            "address": node.address,
            "version": self.version,
            "program": "",
            "program_sha256": self.program_sha256,
            "images": "",
            "images_on_node": f"/{IMAGES}",
            "images_name": name,
            "images_sha256": self.images_sha256,
            "etcd": len(servers) > 1,
            "server_address": servers[0].address if pinned else "",
            "ca_hash": pinned,
            "san": ["127.0.0.1", API_NAME, *api_addresses(node, nodes)],
            "labels": [],
            "cluster": {key: getattr(self.cluster, key) for key in Cluster.__dataclass_fields__},
            "tokens": dict(tokens),
            "adopt": False,
            "wait_s": SERVER_WAIT_S if node.is_server else AGENT_WAIT_S,
        }


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
