"""Drain a node in a thread, and tell every answer that an eviction got."""

import threading
import time
from dataclasses import dataclass, field
from typing import Any

from lab.errors import LabError
from lab.faults.drain import BEGUN, DONE, FAILED, GAVE_UP, STOPPED
from lab.kube import drain
from lab.kube.client import Client
from lab.stages.own_events import OwnEvents

POLL_S = 0.5
# As kubectl does after a 429, k8s.io/kubectl pkg/drain/drain.go.
AGAIN_AFTER_S = 5.0
STOPPED_WITHIN_S = 15.0


@dataclass(slots=True)
class Draining:
    """One drain under way; `begin` returns at once, and `stop` when the thread has ended."""

    client: Client
    node: str
    timeout_s: float
    own: OwnEvents
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def begin(self) -> None:
        drain.cordon(self.client, self.node)
        self._tell(BEGUN)
        self._thread = threading.Thread(target=self._run, name=f"drain {self.node}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join(STOPPED_WITHIN_S)

    def _run(self) -> None:
        try:
            what, message = self._empty()
        except LabError as exc:
            what, message = FAILED, exc.message
        self._tell(what, message)

    def _empty(self) -> tuple[str, str]:
        """Evict until nothing is left that must move; return how it ended, and what is left."""
        deadline = time.monotonic() + self.timeout_s
        due: dict[str, float] = {}
        while left := drain.pods_on(self.client, self.node):
            names = ", ".join(pod["metadata"]["name"] for pod in left)
            if time.monotonic() > deadline:
                return GAVE_UP, f"not empty after {self.timeout_s:g} s: {names}"
            for pod in left:
                if not self._over.is_set() and is_due(pod, due, time.monotonic()):
                    due[pod["metadata"]["uid"]] = self._evict(pod)
            if self._over.wait(POLL_S):
                return STOPPED, f"left there: {names}"
        return DONE, ""

    def _evict(self, pod: dict[str, Any]) -> float:
        """Ask once, tell the answer, and return when to ask again."""
        answer = drain.evict(self.client, pod)
        self.own.tell(
            "eviction",
            pod=pod["metadata"]["name"],
            node=self.node,
            status=answer.status,
            message=answer.message,
        )
        return time.monotonic() + AGAIN_AFTER_S

    def _tell(self, what: str, message: str = "") -> None:
        self.own.tell("drain", node=self.node, what=what, message=message)


def is_due(pod: dict[str, Any], due: dict[str, float], now: float) -> bool:
    """Tell whether to ask for the pod: it is not on its way out, and was not just refused."""
    return not pod["metadata"].get("deletionTimestamp") and now >= due.get(
        pod["metadata"]["uid"], 0
    )
