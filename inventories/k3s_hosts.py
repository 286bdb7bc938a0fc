"""Three hosts for a plain pyinfra run of lab's k3s deploys; an example, to be copied.

    pyinfra inventories/k3s_hosts.py lab.provision.k3s.server --limit servers
    pyinfra inventories/k3s_hosts.py lab.provision.k3s.agent --limit agents

The secrets come from a directory with mode 0700 that nobody else can read: `server_token` and
`agent_token` for the server, 64 hex digits each (openssl rand -hex 32), and for the agents what
the server then has in /var/lib/rancher/k3s/server/agent-token, as `secure_agent_token`, beside
its /var/lib/rancher/k3s/server/tls/server-ca.crt.
"""

import hashlib
from pathlib import Path

from lab.provision.k3s_config import Cluster

SECRETS = Path.home() / ".config/k3s-secrets"
RELEASE = Path.home() / "k3s-release"
SERVER = "192.0.2.11"


def _secret(name: str) -> str:
    file = SECRETS / name
    return file.read_text().strip() if file.exists() else ""


def _sha256(name: str) -> str:
    file = RELEASE / name
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else ""


_IMAGES = "k3s-airgap-images-amd64.tar.zst"
_CA = SECRETS / "server-ca.crt"
_COMMON = {
    "ssh_user": "admin",
    "_sudo": True,
    "version": "v1.36.3+k3s1",
    "program": str(RELEASE / "k3s"),
    "program_sha256": _sha256("k3s"),
    "images": str(RELEASE / _IMAGES),
    "images_name": _IMAGES,
    "images_sha256": _sha256(_IMAGES),
    "images_on_node": "",
    "etcd": False,
    "san": [SERVER],
    "labels": [],
    "cluster": {name: getattr(Cluster(), name) for name in Cluster.__dataclass_fields__},
    "adopt": False,
    "wait_s": 0,
}


def _agent(name: str, address: str) -> tuple[str, dict[str, object]]:
    pinned = hashlib.sha256(_CA.read_bytes()).hexdigest() if _CA.exists() else ""
    return name, {
        **_COMMON,
        "ssh_hostname": address,
        "node_name": name,
        "address": address,
        "server_address": SERVER,
        "ca_hash": pinned,
        "tokens": {"agent_token": _secret("secure_agent_token")},
    }


servers = [
    (
        "k1",
        {
            **_COMMON,
            "ssh_hostname": SERVER,
            "node_name": "k1",
            "address": SERVER,
            "server_address": "",
            "ca_hash": "",
            "tokens": {name: _secret(name) for name in ("server_token", "agent_token")},
        },
    )
]
agents = [_agent("k2", "192.0.2.12"), _agent("k3", "192.0.2.13")]
