"""The passwords of the database's roles: made once, kept in the cluster and nowhere else."""

import base64
import secrets

from lab.errors import RequestRefused
from lab.kube import apply, manifests
from lab.kube.client import Client
from lab.postgres.roles import roles_for
from lab.service.names import BASE


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
        secret = client.get(f"{BASE}/secrets/postgres-{role}")
    except RequestRefused as exc:
        if exc.status == 404:
            return None
        raise
    return base64.b64decode(secret["data"]["password"]).decode()
