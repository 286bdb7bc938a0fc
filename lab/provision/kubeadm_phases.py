"""The phases that make a kubeadm cluster, as data for the provisioning child."""

import hashlib
import secrets
import string
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import Any, Self

from lab.artifacts import kubeimages
from lab.artifacts.kubeadm import kubeadm_recipes, kubernetes_version
from lab.artifacts.recipe import Recipe
from lab.artifacts.uploads import Upload
from lab.machines.nspawn import STORE
from lab.machines.topology import (
    API_NAME,
    CLUSTER_DNS,
    MAX_NODES,
    POD_SUBNET,
    SERVICE_SUBNET,
    Node,
    home,
    make_nodes,
)
from lab.provision.child import Phase, Target
from lab.provision.distribution import Ground, Outputs, Settings
from lab.provision.phases import STAGE, STAMPS, Parcel, api_addresses, name_range, release_script
from lab.provision.rendering import in_turn, render_text

# How long kubeadm waits for the control plane: its one minute is too short for a busy host.
WAIT_S = 240
TOKEN_TTL = "1h0m0s"  # noqa: S105 - a duration
# Topmost first: Debian is above the programs, so that it decides who owns a directory.
LAYERS = ("noderoot", "kubernetes", "containerd", "cni", "images")

# What a host gets of the layers; its Debian, or whatever it has, stays as it is.
PROGRAM_ARTIFACTS = ("kubernetes", "containerd", "cni")

_TOKEN_ALPHABET = string.ascii_lowercase + string.digits

# What a server's phase hands to the parent, each read over SSH.
SERVER_OUTPUTS = {
    "admin_kubeconfig": "cat /etc/kubernetes/admin.conf",
    "ca": "cat /etc/kubernetes/pki/ca.crt",
    "kube_proxy_config": "cat /etc/kubernetes/kube-proxy.conf",
}
# What servers share, as kubeadm's page on high availability lists it.
SHARED_KEYS = ("ca", "sa", "front-proxy-ca", "etcd/ca")
PKI_OUTPUT = (
    "tar -c -C /etc/kubernetes "
    + " ".join(
        f"pki/{name}.{'pub' if name == 'sa' else 'crt'} pki/{name}.key" for name in SHARED_KEYS
    )
    + " | base64 -w0"
)


def make_token() -> str:
    """Return a bootstrap token, six and sixteen characters of [a-z0-9] as kubeadm wants it."""
    return ".".join(
        "".join(secrets.choice(_TOKEN_ALPHABET) for _ in range(length)) for length in (6, 16)
    )


def ca_hash(ca_pem: str) -> str:
    """Return the SHA-256 of the CA's public key as kubeadm pins it (RFC 7469, in hex)."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    key = x509.load_pem_x509_certificate(ca_pem.encode()).public_key()
    info = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(info).hexdigest()


@dataclass(frozen=True, slots=True)
class Kubeadm:
    """Upstream Kubernetes by kubeadm; implements `lab.provision.distribution.Distribution`.

    `ground` is bound where the nodes are machines of an inventory.
    """

    ground: Ground | None = None
    name: str = "kubeadm"
    coredns_image: str = kubeimages.COREDNS
    probe_image: str = kubeimages.PROBE
    keeps_one_free: bool = True
    keeps_secrets: bool = False
    admits_by_token: bool = True
    upgrades: bool = True

    @property
    def version(self) -> str:
        return kubernetes_version()

    def recipes(self) -> tuple[Recipe, ...]:
        return kubeadm_recipes()

    def layers(self, trees: Mapping[str, Path]) -> tuple[Path, ...]:
        return tuple(trees[name] for name in LAYERS)

    def host_recipes(self) -> tuple[Recipe, ...]:
        return tuple(recipe for recipe in kubeadm_recipes() if recipe.name != "noderoot")

    def host_uploads(self) -> dict[str, tuple[str, tuple[str, ...]]]:
        images: dict[str, tuple[str, tuple[str, ...]]] = {
            archive: ("images", (f"{kubeimages.DIRECTORY}/{archive}",))
            for archive in (_archive(True), _archive(False))
        }
        return {**{name: (name, ()) for name in PROGRAM_ARTIFACTS}, **images}

    def parcels(self, node: Node) -> tuple[Parcel, ...]:
        return tuple(
            Parcel(
                source=upload.archive,
                staged=f"{STAGE}/{upload.directory}.tar.gz",
                sha256=upload.sha256,
                unless=f"test -e {STAMPS}/store-{upload.directory}-{upload.sha256[:12]}",
            )
            for upload in self._uploads(node)
        )

    def bind(self, artifacts: Mapping[str, str], ground: Ground | None = None) -> Self:
        return replace(self, ground=ground)

    def make_secrets(self) -> dict[str, str]:
        return {"token": make_token()}

    def start_phase(
        self,
        nodes: tuple[Node, ...],
        settings: Settings,
        *,
        secrets: Mapping[str, str],
        new: tuple[Node, ...],
        server: Node,
    ) -> Phase:
        servers = [node for node in nodes if node.is_server]
        targets = [
            _target(node, (*self._first(), "prepare_node"), self._node_data(node, nodes, settings))
            for node in new
            if node != server
        ]
        data = self._node_data(server, nodes, settings) | {
            "token": secrets["token"],
            "token_ttl": TOKEN_TTL,
            "cluster_name": settings.cluster_name,
            "kubernetes_version": settings.version,
            "cluster_dns": str(CLUSTER_DNS),
            "single": len(nodes) == 1,
            "elects": len(servers) > 1,
        }
        deploys = (*self._first(), "prepare_node", "init_server") if server in new else ()
        # The keys leave a server only for those that share them.
        keys = {"pki": PKI_OUTPUT} if any(n in new for n in servers if n != server) else {}
        first = _target(server, deploys, data, read=SERVER_OUTPUTS | keys)
        title = f"preparing {name_range(new)}" if new else f"asking {server.name} for its keys"
        return Phase(
            title + (f", starting the server on {server.name}" if server in new else ""),
            (first, *targets),
        )

    def join_server_phase(self, server: Node, nodes: tuple[Node, ...], outputs: Outputs) -> Phase:
        data = self._join_data(server, nodes, outputs) | {"pki": outputs["pki"]}
        target = _target(server, ("join_server",), data)
        return Phase(f"joining {server.name} as a server", (target,))

    def join_phase(
        self, agents: tuple[Node, ...], nodes: tuple[Node, ...], outputs: Outputs
    ) -> Phase:
        targets = tuple(
            _target(node, ("join_agent",), self._join_data(node, nodes, outputs)) for node in agents
        )
        return Phase(f"joining {name_range(agents)}", targets)

    def know_phase(self, nodes: tuple[Node, ...], all_nodes: tuple[Node, ...]) -> Phase:
        targets = tuple(
            _target(
                node,
                ("know_servers",),
                {"api_name": API_NAME, "servers": api_addresses(node, all_nodes)}
                | (self._routes(node, all_nodes) | {"own": True} if self.ground else {}),
            )
            for node in nodes
        )
        return Phase("telling all nodes where the API is", targets)

    def upgrade_phase(self, node: Node, artifacts: Mapping[str, str], *, first: bool) -> Phase:
        programs, images = (
            PurePath(STORE, PurePath(artifacts[name]).name, "tree")
            for name in ("kubernetes", "images")
        )
        data = {
            "programs": str(programs / kubeimages.PROGRAMS),
            "images": str(images / kubeimages.DIRECTORY / _archive(node.is_server)),
            "image_stamp": PurePath(artifacts["images"]).name.rsplit("-", 1)[-1],
            "kubernetes_version": self.version,
            "own": bool(self.ground),
            "wait_s": self._wait_s(),
            "first": first,
        } | self._ground_data(node)
        deploys = (*self._first()[1:2], "upgrade_node")
        target = _target(node, deploys, data)
        return Phase(f"upgrading {node.name}", (target,), timeout_s=self._wait_s() + 180)

    def leave_phase(self, node: Node) -> Phase:
        return Phase(f"taking {node.name} out of the cluster", (_target(node, ("leave",), {}),))

    def uninstall_script(self, *, owner: str) -> str:
        data = {
            "owner": owner,
            # Of every node there can be: it may be one that others were removed before.
            "pod_subnets": [peer.pod_subnet for peer in make_nodes(MAX_NODES)],
            "cluster_pod_subnet": str(POD_SUBNET),
            "service_subnet": str(SERVICE_SUBNET),
        }
        return in_turn(render_text("kubeadm-uninstall.sh.j2", data), release_script(owner))

    def _wait_s(self) -> int:
        return max(WAIT_S, int(self.ground.wait_s) if self.ground else 0)

    def _first(self) -> tuple[str, ...]:
        """Return the deploys that come before all others on a host that is not lab's."""
        return ("claim", "bring") if self.ground else ()

    def _join_data(self, node: Node, nodes: tuple[Node, ...], outputs: Outputs) -> dict[str, Any]:
        return {
            "node_name": node.name,
            "address": node.address,
            "is_server": node.is_server,
            "kept_free": len(nodes) > 1 and node == home(nodes),
            "server_address": outputs["server_address"],
            "token": outputs["token"],
            "ca_hash": ca_hash(outputs["ca"]),
            "kube_proxy_config": outputs["kube_proxy_config"],
            "wait_s": self._wait_s(),
        }

    def _node_data(self, node: Node, nodes: tuple[Node, ...], settings: Settings) -> dict[str, Any]:
        return {
            "node_name": node.name,
            "is_server": node.is_server,
            "api_name": API_NAME,
            "servers": api_addresses(node, nodes),
            "pause_image": kubeimages.PAUSE,
            "image_archive": _archive(node.is_server),
            "image_stamp": settings.images_key,
            "cgroup_driver": settings.cgroup_driver,
            "own": bool(self.ground),
            "wait_s": self._wait_s(),
            **self._routes(node, nodes),
            **self._ground_data(node),
        }

    def _routes(self, node: Node, nodes: tuple[Node, ...]) -> dict[str, Any]:
        """Return which pods are behind which node.

        In the sandbox of every node there can be, so that one that is added later need not be
        told of.
        """
        peers = nodes if self.ground else make_nodes(MAX_NODES)
        return {
            "address": node.address,
            "pod_subnet": node.pod_subnet,
            "cluster_pod_subnet": str(POD_SUBNET),
            "service_subnet": str(SERVICE_SUBNET),
            "peers": [
                {"pod_subnet": peer.pod_subnet, "address": peer.address}
                for peer in peers
                if peer != node
            ],
        }

    def _ground_data(self, node: Node) -> dict[str, Any]:
        if not self.ground:
            return {}
        return {"owner": self.ground.owner, "uploads": [*map(asdict, self._uploads(node))]}

    def _uploads(self, node: Node) -> tuple[Upload, ...]:
        assert self.ground, "only machines of an inventory are sent anything"
        wanted = (*PROGRAM_ARTIFACTS, _archive(node.is_server))
        return tuple(self.ground.uploads[name] for name in wanted)


def _archive(is_server: bool) -> str:
    return "server.tar" if is_server else "agent.tar"


def _target(
    node: Node,
    deploys: tuple[str, ...],
    data: dict[str, Any],
    read: Mapping[str, str] = MappingProxyType({}),
) -> Target:
    return Target(node.name, node.address, deploys, data, dict(read))
