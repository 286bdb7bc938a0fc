"""What things of the sample service are called in the cluster."""

from dataclasses import dataclass

NAMESPACE = "chirps"
BASE = f"/api/v1/namespaces/{NAMESPACE}"
APPS = f"/apis/apps/v1/namespaces/{NAMESPACE}"
BATCH = f"/apis/batch/v1/namespaces/{NAMESPACE}"
DEPLOYMENT = f"{APPS}/deployments/chirps"
POSTGRES_POD = "postgres-0"
OBSERVER_POD = "observer-0"
OBSERVER_PORT = 8090

DATABASE = "chirps"
TEMPLATE = "chirps_template"

START_RELEASE = "v1"

MIGRATIONS_ROLE = "chirps-migrate"
OBSERVER_ROLE = "observer"
SUPERUSER = "postgres"


def release_role(release: str) -> str:
    """Return the database role of a release, as its Secret is named."""
    return f"chirps-{release}"


def sql_role(role: str) -> str:
    """Return a role as PostgreSQL knows it."""
    return role.replace("-", "_")


@dataclass(frozen=True, slots=True)
class RoleLabel:
    """What a node is there for, as a label that manifests select nodes by."""

    name: str

    @property
    def key(self) -> str:
        return f"role.lab.local/{self.name}"


SERVER, DATA, APP = map(RoleLabel, ("server", "data", "app"))
