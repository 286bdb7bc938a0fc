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
OPERATOR_POD = "operator-0"

START_RELEASE = "v1"
# Its image knows what every earlier release knows of the schema.
OPERATOR_RELEASE = "v3"


@dataclass(frozen=True, slots=True)
class RoleLabel:
    """What a node is there for, as a label that manifests select nodes by."""

    name: str

    @property
    def key(self) -> str:
        return f"role.lab.local/{self.name}"


SERVER, DATA, APP = map(RoleLabel, ("server", "data", "app"))
