"""The way to the observer in its pod: by the API server's proxy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lab import observing
from lab.errors import ClusterUnreachable, ObserverLost, RequestRefused
from lab.kube.client import Answer, Client
from lab.observing import Clock, Event
from lab.service.names import BASE, NAMESPACE, OBSERVER_POD, OBSERVER_PORT

__all__ = ["Clock", "Event", "Observer"]

# What the API server answers while a pod behind its proxy cannot be reached.
AWAY = (500, 502, 503, 504)


class Observer(observing.Observer):
    """The observer of one lab."""

    def __init__(self, client: Client) -> None:
        super().__init__(Proxy(client))


@dataclass(frozen=True, slots=True)
class Proxy:
    """Implements `lab.observing.Way`."""

    client: Client

    @property
    def logs(self) -> str:
        return f"lab kubectl -n {NAMESPACE} describe pod {OBSERVER_POD}"

    def ask(
        self, method: str, path: str, query: Mapping[str, str], body: Mapping[str, Any] | None
    ) -> Answer:
        url = f"{BASE}/pods/{OBSERVER_POD}:{OBSERVER_PORT}/proxy{path}"
        try:
            return self.client.answer(method, url, query, dict(body) if body is not None else None)
        except RequestRefused as exc:
            raise _explain(exc) from exc


def _explain(refused: RequestRefused) -> ClusterUnreachable | ObserverLost:
    if refused.status in AWAY:
        return ClusterUnreachable(f"the observer does not answer ({refused.message})")
    return ObserverLost(
        f"the observer refused: {refused.message}",
        hint=f"lab kubectl -n {NAMESPACE} logs {OBSERVER_POD}",
    )
