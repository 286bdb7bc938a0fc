"""What does k3s read on a node? Its config.yaml, its token files and its unit, as text.

Keys are those of docs.k3s.io/cli/server and docs.k3s.io/cli/agent; everything goes into files,
because arguments of a process can be read by every user of the host.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Any, TypeVar

from lab.errors import InvalidValue, ProvisionFailed

CONFIG = "/etc/rancher/k3s/config.yaml"
TOKENS = "/etc/rancher/k3s"
DATA = "/var/lib/rancher/k3s"
SERVER_UNIT = "k3s"
AGENT_UNIT = "k3s-agent"
_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_T = TypeVar("_T", IPv4Address, IPv4Network)

# The directives of install.sh's create_systemd_service_file. TimeoutStartSec=0 stays, since
# lab starts with --no-block and keeps deadlines of its own; KillMode=process too, so that
# containers outlive a restart.
UNIT = """\
[Unit]
Description=Lightweight Kubernetes
Documentation=https://k3s.io
Wants=network-online.target
After=network-online.target

[Install]
WantedBy=multi-user.target

[Service]
Type=notify
EnvironmentFile=-/etc/default/%N
EnvironmentFile=-/etc/sysconfig/%N
EnvironmentFile=-/etc/systemd/system/{unit}.service.env
KillMode=process
Delegate=yes
User=root
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
TimeoutStartSec=0
Restart=always
RestartSec=5s
ExecStartPre=-/sbin/modprobe br_netfilter
ExecStartPre=-/sbin/modprobe overlay
ExecStart=/usr/local/bin/k3s {role}
"""


@dataclass(frozen=True, slots=True)
class Cluster:
    """What is the same on every server, or a join is refused (docs.k3s.io/cli/server,
    *Critical Configuration Values*); the last two on every node."""

    pods: str = "10.42.0.0/16"
    services: str = "10.43.0.0/16"
    dns: str = "10.43.0.10"
    disable: tuple[str, ...] = ("traefik", "servicelb", "metrics-server", "local-storage")
    flannel: str = "vxlan"
    kubelet: tuple[str, ...] = ()
    kube_proxy: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """One node: `joins` is the address of the server it joins, empty for the first one.

    `san` are the names and addresses that clients use for the API; `etcd` whether servers keep
    their data in embedded etcd, which several of them need.
    """

    name: str
    address: str
    is_server: bool
    joins: str = ""
    etcd: bool = False
    san: tuple[str, ...] = ()
    labels: tuple[str, ...] = field(default=())


def in_a_name(version: str) -> str:
    """Return a version as names of files and of snapshots have it; raises InvalidValue."""
    name = version.replace("+", "-")
    if not re.fullmatch(r"v[0-9a-z.-]+", name):
        raise InvalidValue(f"{version!r} is no version of k3s", hint="lab artifacts list")
    return name


def check(cluster: Cluster, place: Place) -> None:
    """Raise InvalidValue that names every value with which k3s could not work, or not safely.

    Some of them also become part of commands, so nothing else than this may be in them.
    """
    _require_none(place, [*_problems_of_place(place), *_problems_of_ranges(cluster, place)])


def _require_none(place: Place, problems: list[str]) -> None:
    if problems:
        raise InvalidValue(
            f"node {place.name!r} cannot be configured: {'; '.join(problems)}",
            hint="the data of this host in the inventory; inventories/k3s_hosts.py is an example",
        )


def _problems_of_place(place: Place) -> Iterator[str]:
    if not _NAME.fullmatch(place.name):
        yield f"node_name {place.name!r} is no DNS-1123 name"
    for key, value in {"address": place.address, "server_address": place.joins}.items():
        if (value or key == "address") and _read(IPv4Address, value) is None:
            yield f"{key} {value!r} is no IPv4 address"
    if not place.is_server and not place.joins:
        yield "an agent needs server_address"
    if place.joins == place.address:
        yield f"server_address {place.joins} is the node itself"


def _problems_of_ranges(cluster: Cluster, place: Place) -> Iterator[str]:
    ranges = {key: _read(IPv4Network, getattr(cluster, key)) for key in ("pods", "services")}
    for key, found in ranges.items():
        if found is None:
            yield f"{key} {getattr(cluster, key)!r} is no IPv4 network"
    pods, services = ranges.values()
    dns, address = _read(IPv4Address, cluster.dns), _read(IPv4Address, place.address)
    if pods and services and pods.overlaps(services):
        yield f"pods {pods} and services {services} overlap"
    if services and (dns is None or dns not in services):
        yield f"dns {cluster.dns!r} is no address in services {services}"
    for key, found in ranges.items():
        if found and address and address in found:
            yield f"address {address} is in the range of {key}, {found}"


def _read(kind: type[_T], text: str) -> _T | None:
    try:
        return kind(text)
    except ValueError:
        return None


def render_config(cluster: Cluster, place: Place) -> str:
    """Return config.yaml: one key a line in a fixed order, each value in JSON, which is YAML.

    Raises InvalidValue for what `check` refuses.
    """
    check(cluster, place)
    values = _common(cluster, place) | (_server(cluster, place) if place.is_server else {})
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in values.items() if value)


def _common(cluster: Cluster, place: Place) -> dict[str, Any]:
    token = "server-token" if place.is_server else "agent-token"
    return {
        "node-name": place.name,
        "node-ip": place.address,
        "server": f"https://{place.joins}:6443" if place.joins else "",
        "token-file": f"{TOKENS}/{token}",
        "node-label": list(place.labels),
        "kubelet-arg": list(cluster.kubelet),
        "kube-proxy-arg": list(cluster.kube_proxy),
    }


def _server(cluster: Cluster, place: Place) -> dict[str, Any]:
    return {
        "cluster-init": place.etcd and not place.joins,
        "agent-token-file": f"{TOKENS}/agent-token",
        "tls-san": list(place.san),
        "write-kubeconfig-mode": "0600",
        "cluster-cidr": cluster.pods,
        "service-cidr": cluster.services,
        "cluster-dns": cluster.dns,
        "flannel-backend": cluster.flannel,
        "disable": list(cluster.disable),
    }


def render_unit(*, is_server: bool) -> str:
    role, unit = ("server", SERVER_UNIT) if is_server else ("agent", AGENT_UNIT)
    return UNIT.format(role=role, unit=unit)


def token_files(place: Place, tokens: Mapping[str, str]) -> dict[str, str]:
    """Return path → token: an agent is never given the token of servers, which is an admin's.

    Raises InvalidValue for one that is not there: k3s would make one up, or try for ever.
    """
    names = ("server-token", "agent-token") if place.is_server else ("agent-token",)
    keys = {name: name.replace("-", "_") for name in names}
    missing = [f"it has no {key}" for key in keys.values() if not tokens.get(key, "").strip()]
    _require_none(place, missing)
    return {f"{TOKENS}/{name}": tokens[key] for name, key in keys.items()}


def check_pinned(place: Place, ca_hash: str) -> None:
    """Raise InvalidValue where who joins would not know which CA it is to trust."""
    if place.joins and not re.fullmatch(r"[0-9a-f]{64}", ca_hash):
        _require_none(place, [f"ca_hash {ca_hash!r} is not the SHA-256 of a CA, in hex"])


def check_token(token: str, ca: str) -> str:
    """Return a secure token whose CA is `ca`; raise ProvisionFailed for any other.

    The format is K10<SHA-256 of the CA bundle as it lies on disk>::<credentials>
    (docs.k3s.io/cli/token); with it, a node that joins trusts this CA and no other.
    """
    token = token.strip()
    pinned, separator, _ = token.removeprefix("K10").partition("::")
    expected = ca_hash(ca)
    if not token.startswith("K10") or not separator:
        raise ProvisionFailed("the server's token is not in the secure form K10...::")
    if pinned != expected:
        raise ProvisionFailed(
            f"the server's token is for a CA {pinned[:12]}, but its CA is {expected[:12]}"
        )
    return token


def ca_hash(ca: str) -> str:
    """Return the SHA-256 of the file as k3s takes it; reading over SSH dropped the last newline."""
    return hashlib.sha256((ca.rstrip("\n") + "\n").encode()).hexdigest()
