"""Bootstrap tokens: let a node join, for as long as that takes.

The format is that of the Secret type bootstrap.kubernetes.io/token, see
https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from lab.errors import NotReady, RequestRefused
from lab.kube.client import Client

_SECRETS = "/api/v1/namespaces/kube-system/secrets"
_CLUSTER_INFO = "/api/v1/namespaces/kube-public/configmaps/cluster-info"
_POLL_S = 0.5
GROUP = "system:bootstrappers:kubeadm:default-node-token"


def allow(client: Client, token: str, *, lifetime: timedelta = timedelta(hours=1)) -> None:
    """Create the token's secret; it is signed into `cluster-info` by the server."""
    token_id, secret = token.split(".")
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "bootstrap.kubernetes.io/token",
        "metadata": {"name": _name(token), "namespace": "kube-system"},
        "stringData": {
            "token-id": token_id,
            "token-secret": secret,
            "expiration": (datetime.now(UTC) + lifetime).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "usage-bootstrap-authentication": "true",
            "usage-bootstrap-signing": "true",
            "auth-extra-groups": GROUP,
        },
    }
    try:
        client.create(_SECRETS, body)
    except RequestRefused as exc:
        if exc.status != 409:
            raise


def wait_until_signed(
    client: Client,
    token: str,
    *,
    timeout_s: float,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return when who joins by the token can tell from `cluster-info` that it is the cluster.

    The controller manager signs (its controller bootstrapsigner); until then kubeadm takes a
    token that is right for a wrong one. Raises NotReady after `timeout_s` seconds.
    """
    key = f"jws-kubeconfig-{token.split('.')[0]}"
    deadline = now() + timeout_s
    while key not in _cluster_info(client):
        if now() > deadline:
            raise NotReady(
                f"the controller manager did not sign cluster-info (no {key}) "
                f"within {timeout_s:g} s",
                hint="lab kubectl -n kube-system logs -l component=kube-controller-manager",
            )
        sleep(_POLL_S)


def _cluster_info(client: Client) -> dict[str, str]:
    try:
        data: dict[str, str] = client.get(_CLUSTER_INFO).get("data") or {}
    except RequestRefused as exc:
        if exc.status != 404:
            raise
        return {}
    return data


def revoke(client: Client, token: str) -> None:
    client.delete(f"{_SECRETS}/{_name(token)}")


def _name(token: str) -> str:
    return f"bootstrap-token-{token.split('.')[0]}"
