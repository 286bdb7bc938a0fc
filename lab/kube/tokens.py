"""Bootstrap tokens: let a node join, for as long as that takes.

The format is that of the Secret type bootstrap.kubernetes.io/token, see
https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/
"""

from datetime import UTC, datetime, timedelta

from lab.errors import RequestRefused
from lab.kube.client import Client

_SECRETS = "/api/v1/namespaces/kube-system/secrets"
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


def revoke(client: Client, token: str) -> None:
    client.delete(f"{_SECRETS}/{_name(token)}")


def _name(token: str) -> str:
    return f"bootstrap-token-{token.split('.')[0]}"
