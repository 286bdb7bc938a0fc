"""The passwords of the database's roles: made once, kept in the cluster and nowhere else."""

import base64
import secrets

from lab.errors import RequestRefused
from lab.kube import apply, manifests
from lab.kube.client import Client
from lab.postgres.roles import release_role, roles_for
from lab.service.names import BASE

RIGHT = "right-password"
"""Entry of a Secret that was made wrong: what is right."""


def ensure(client: Client, releases: tuple[str, ...]) -> dict[str, str]:
    """Return role → password, made now for a role that has none."""
    passwords = {}
    for role in roles_for(releases):
        password = _read(client, role)
        if password is None:
            password = secrets.token_urlsafe(24)
            apply.apply_all(
                client, manifests.render("release-secret", role=role, password=password)
            )
        passwords[role] = password
    return passwords


def _read(client: Client, role: str) -> str | None:
    try:
        secret = client.get(_path(role))
    except RequestRefused as exc:
        if exc.status == 404:
            return None
        raise
    data = secret["data"]
    return base64.b64decode(data.get(RIGHT, data["password"])).decode()


def spoil(client: Client, release: str) -> str:
    """Make the release's password wrong and return it; the right one is kept in the same Secret.

    Pods mount only the entry `password`, so they do not see the other.
    """
    path = _path(release_role(release))
    data = client.get(path)["data"]
    wrong = f"wrong-{secrets.token_urlsafe(24)}"
    told = base64.b64encode(wrong.encode()).decode()
    client.merge(path, {"data": {"password": told, RIGHT: data.get(RIGHT, data["password"])}})
    return wrong


def mend(client: Client, release: str) -> str:
    """Make it right again and return it; one that is right stays as it is."""
    path = _path(release_role(release))
    data = client.get(path)["data"]
    right = data.get(RIGHT, data["password"])
    if RIGHT in data:
        client.merge(path, {"data": {"password": right, RIGHT: None}})
    return base64.b64decode(right).decode()


def _path(role: str) -> str:
    return f"{BASE}/secrets/postgres-{role}"
