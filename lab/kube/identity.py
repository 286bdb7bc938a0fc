"""Whose cluster is this? Asked before anything else, on every connection.

A lab records two facts about the cluster it made: the hash of its CA and the
UID of its namespace kube-system, which no other cluster has. A kubeconfig with
another CA is refused without a packet sent; with the same CA, TLS keeps every
later connection to that CA, and the UID is compared before the first write.
"""

import ssl
from dataclasses import dataclass

from lab.errors import ClusterError, NotOurCluster
from lab.kube import kubeconfig
from lab.kube.client import Client
from lab.kube.kubeconfig import Access

KUBE_SYSTEM = "/api/v1/namespaces/kube-system"


@dataclass(frozen=True, slots=True)
class Identity:
    ca_sha256: str
    kube_system_uid: str


def read(access: Access) -> Identity:
    """Return who the cluster behind `access` is: for the one just made, to be recorded."""
    return Identity(access.ca_sha256, _kube_system_uid(Client(access)))


def connect(text: str, expected: Identity, *, origin: str, timeout_s: float = 10) -> Client:
    """Return a client for the kubeconfig `text`, or raise NotOurCluster."""
    access = kubeconfig.parse(text, origin=origin)
    if access.ca_sha256 != expected.ca_sha256:
        raise _not_ours(origin, "CA hash", access.ca_sha256[:12], expected.ca_sha256[:12])
    try:
        client = Client(access, timeout_s=timeout_s)
    except ssl.SSLError as exc:
        raise ClusterError(
            f"{origin} holds no client certificate with its key ({exc.reason})",
            hint=f"rm {origin}; lab up writes it again",
        ) from exc
    uid = _kube_system_uid(client)
    if uid != expected.kube_system_uid:
        raise _not_ours(origin, "kube-system UID", uid, expected.kube_system_uid)
    return client


def _kube_system_uid(client: Client) -> str:
    return str(client.get(KUBE_SYSTEM)["metadata"]["uid"])


def _not_ours(origin: str, fact: str, found: str, expected: str) -> NotOurCluster:
    return NotOurCluster(
        f"{origin} is for another cluster than the one this lab made "
        f"({fact} {found}, recorded {expected}); nothing was changed",
        hint="lab up writes the lab's own kubeconfig again",
    )
