"""The phases that make a kubeadm cluster, as data for the provisioning child."""

import hashlib
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import Any, Self

from lab.artifacts import kubeimages
from lab.artifacts.kubeadm import kubeadm_recipes, kubernetes_version
from lab.artifacts.recipe import Recipe
from lab.machines.nspawn import STORE
from lab.machines.topology import (
    API_NAME,
    CLUSTER_DNS,
    MAX_NODES,
    POD_SUBNET,
    SERVICE_SUBNET,
    Node,
    make_nodes,
)
from lab.provision.child import Phase, Target
from lab.provision.distribution import Outputs, Settings
from lab.provision.phases import api_addresses, name_range

TOKEN_TTL = "1h0m0s"  # noqa: S105 - a duration
# Topmost first: Debian is above the programs, so that it decides who owns a directory.
LAYERS = ("noderoot", "kubernetes", "containerd", "cni", "images")

_TOKEN_ALPHABET = string.ascii_lowercase + string.digits

# What the server's phase hands to the parent, each read over SSH.
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
    """Upstream Kubernetes by kubeadm; implements `lab.provision.distribution.Distribution`."""

    name: str = "kubeadm"
    coredns_image: str = kubeimages.COREDNS
    probe_image: str = kubeimages.PROBE
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

    def bind(self, artifacts: Mapping[str, str]) -> Self:
        return self

    def make_secrets(self) -> dict[str, str]:
        return {"token": make_token()}

    def start_phase(
        self,
        nodes: tuple[Node, ...],
        settings: Settings,
        *,
        secrets: Mapping[str, str],
        new: tuple[Node, ...],
    ) -> Phase:
        server = nodes[0]
        targets = [
            _target(node, ("prepare_node",), _node_data(node, nodes, settings))
            for node in new
            if node != server
        ]
        servers = [node for node in nodes if node.is_server]
        data = _node_data(server, nodes, settings) | {
            "token": secrets["token"],
            "token_ttl": TOKEN_TTL,
            "cluster_name": settings.cluster_name,
            "kubernetes_version": settings.version,
            "cluster_dns": str(CLUSTER_DNS),
            "single": len(nodes) == 1,
            "elects": len(servers) > 1,
        }
        deploys = ("prepare_node", "init_server") if server in new else ()
        # The keys leave the first server only for those that share them.
        keys = {"pki": PKI_OUTPUT} if any(node in new for node in servers[1:]) else {}
        first = _target(server, deploys, data, read=SERVER_OUTPUTS | keys)
        title = f"preparing {name_range(new)}" if new else f"asking {server.name} for its keys"
        return Phase(
            title + (f", starting the server on {server.name}" if server in new else ""),
            (first, *targets),
        )

    def join_server_phase(self, server: Node, nodes: tuple[Node, ...], outputs: Outputs) -> Phase:
        data = _join_data(server, nodes[0], outputs) | {"pki": outputs["pki"]}
        return Phase(
            f"joining {server.name} as a server", (_target(server, ("join_server",), data),)
        )

    def join_phase(
        self, agents: tuple[Node, ...], nodes: tuple[Node, ...], outputs: Outputs
    ) -> Phase:
        targets = tuple(
            _target(node, ("join_agent",), _join_data(node, nodes[0], outputs)) for node in agents
        )
        return Phase(f"joining {name_range(agents)}", targets)

    def know_phase(self, nodes: tuple[Node, ...], all_nodes: tuple[Node, ...]) -> Phase:
        targets = tuple(
            _target(
                node,
                ("know_servers",),
                {"api_name": API_NAME, "servers": api_addresses(node, all_nodes)},
            )
            for node in nodes
        )
        return Phase("telling all nodes where the API is", targets)

    def upgrade_phase(self, node: Node, artifacts: Mapping[str, str], *, first: bool) -> Phase:
        programs, images = (
            PurePath(STORE, PurePath(artifacts[name]).name, "tree")
            for name in ("kubernetes", "images")
        )
        archive = "server.tar" if node.is_server else "agent.tar"
        data = {
            "programs": str(programs / kubeimages.PROGRAMS),
            "images": str(images / kubeimages.DIRECTORY / archive),
            "image_stamp": PurePath(artifacts["images"]).name.rsplit("-", 1)[-1],
            "kubernetes_version": self.version,
            "first": first,
        }
        return Phase(
            f"upgrading {node.name}", (_target(node, ("upgrade_node",), data),), timeout_s=420
        )

    def leave_phase(self, node: Node) -> Phase:
        return Phase(f"taking {node.name} out of the cluster", (_target(node, ("leave",), {}),))


def _join_data(node: Node, server: Node, outputs: Outputs) -> dict[str, Any]:
    return {
        "node_name": node.name,
        "address": node.address,
        "is_server": node.is_server,
        "server_address": server.address,
        "token": outputs["token"],
        "ca_hash": ca_hash(outputs["ca"]),
        "kube_proxy_config": outputs["kube_proxy_config"],
    }


def _target(
    node: Node,
    deploys: tuple[str, ...],
    data: dict[str, Any],
    read: Mapping[str, str] = MappingProxyType({}),
) -> Target:
    return Target(node.name, node.address, deploys, data, dict(read))


def _node_data(node: Node, nodes: tuple[Node, ...], settings: Settings) -> dict[str, Any]:
    # Of every node there can be, so that one that is added later need not be told of.
    peers = [
        {"pod_subnet": peer.pod_subnet, "address": peer.address}
        for peer in make_nodes(MAX_NODES)
        if peer != node
    ]
    return {
        "node_name": node.name,
        "address": node.address,
        "is_server": node.is_server,
        "api_name": API_NAME,
        "servers": api_addresses(node, nodes),
        "pod_subnet": node.pod_subnet,
        "cluster_pod_subnet": str(POD_SUBNET),
        "service_subnet": str(SERVICE_SUBNET),
        "peers": peers,
        "pause_image": kubeimages.PAUSE,
        "image_archive": "server.tar" if node.is_server else "agent.tar",
        "image_stamp": settings.images_key,
        "cgroup_driver": settings.cgroup_driver,
    }
