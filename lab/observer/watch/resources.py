"""Which objects are watched, and where the API server has them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lab.observer.watch import describe
from lab.observer.watch.trackers import Endpoints, Events, Objects, Tracker


@dataclass(frozen=True, slots=True)
class Resource:
    """One list of objects and what is known of it."""

    name: str
    path: str
    tracker: Tracker
    query: Mapping[str, str] = field(default_factory=dict)


def resources(*, namespace: str, service: str) -> list[Resource]:
    core = f"/api/v1/namespaces/{namespace}"
    apps = f"/apis/apps/v1/namespaces/{namespace}"
    discovery = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}"
    return [
        Resource("pods", f"{core}/pods", Objects("pod", describe.pod, typed=True)),
        Resource("replicasets", f"{apps}/replicasets", Objects("replicaset", describe.replicaset)),
        Resource("deployments", f"{apps}/deployments", Objects("deployment", describe.deployment)),
        Resource(
            "endpointslices",
            f"{discovery}/endpointslices",
            Endpoints(service),
            {"labelSelector": f"kubernetes.io/service-name={service}"},
        ),
        Resource("events", f"{core}/events", Events()),
        Resource("nodes", "/api/v1/nodes", Objects("node", describe.node)),
        Resource(
            "jobs", f"/apis/batch/v1/namespaces/{namespace}/jobs", Objects("job", describe.job)
        ),
    ]
