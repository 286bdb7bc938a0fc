"""Read and write the kubeconfig of a lab: one cluster, one user, one context."""

import base64
import hashlib
from dataclasses import dataclass
from typing import Any

import yaml

from lab.errors import ClusterError


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach a cluster: its URL, its CA and a client certificate, all PEM."""

    server: str
    ca: bytes
    certificate: bytes
    key: bytes

    @property
    def ca_sha256(self) -> str:
        return hashlib.sha256(self.ca.strip()).hexdigest()


def parse(text: str, *, origin: str) -> Access:
    """Return the access of the current context; `origin` names the text in errors."""
    try:
        config = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
        context = _named(config["contexts"], config["current-context"])["context"]
        cluster = _named(config["clusters"], context["cluster"])["cluster"]
        user = _named(config["users"], context["user"])["user"]
        return Access(
            server=str(cluster["server"]),
            ca=_decode(cluster["certificate-authority-data"]),
            certificate=_decode(user["client-certificate-data"]),
            key=_decode(user["client-key-data"]),
        )
    except (yaml.YAMLError, LookupError, TypeError, ValueError, StopIteration) as exc:
        raise ClusterError(f"{origin} is no kubeconfig lab can use ({exc!r})") from exc


def render(access: Access, *, name: str) -> str:
    """Return a kubeconfig in which cluster, user and context are all called `name`."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": name,
                "cluster": {
                    "server": access.server,
                    "certificate-authority-data": _encode(access.ca),
                },
            }
        ],
        "users": [
            {
                "name": name,
                "user": {
                    "client-certificate-data": _encode(access.certificate),
                    "client-key-data": _encode(access.key),
                },
            }
        ],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    return yaml.safe_dump(config, sort_keys=False)


def _named(items: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(item for item in items if item["name"] == name)


def _decode(value: str) -> bytes:
    return base64.b64decode(value, validate=True)


def _encode(value: bytes) -> str:
    return base64.b64encode(value).decode()
