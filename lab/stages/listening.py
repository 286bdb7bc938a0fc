"""Ask pods for what they told by themselves: their logs, and how their counters moved.

So that it disturbs nobody, each pod is asked a few times in its life, and none on a schedule:
for its counters when the load is put on, for both while it is being deleted, and for both when
the load is off again. A pod that is gone cannot be asked any more, so who waited for the end
would miss just the pods that a rollout replaces; and to follow all logs would send each line
of a failing service over the network while it fails. What is still missed is what a container
says in its last moments, and the counters of one that ended by itself: that is told.

Where logs outlive their pods they are read once, at the end.
"""

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, Protocol

from lab.errors import LabError
from lab.scenario import exposition
from lab.scenario.events import Event
from lab.scenario.exposition import Watched
from lab.scenario.log_lines import Entry

SERVICE, MIGRATION = "chirps", "migrate"
LISTED, DELETED = "LISTED", "DELETED"
AGAIN_AFTER_S = 2.0
AT_ONCE = 8
BOUND_S = 15.0
RESOLUTION_S = 1e-6
MOST_LINES = 50_000

Clock = Callable[[], float]


@dataclass(slots=True)
class Pod:
    """A pod that was seen. `lost` are containers whose counters went with them; `is_heard` and
    `is_counted` say whether its log was read, and its counters when its time was up."""

    name: str
    app: str
    release: str | None
    watched: Watched
    address: str | None = None
    restarts: int = 0
    lost: int = 0
    terminating: bool = False
    is_gone: bool = False
    entries: list[Entry] = field(default_factory=list)
    is_heard: bool = False
    is_counted: bool = False
    asked: float | None = None
    asking: "Future[None] | None" = None

    @property
    def is_asked(self) -> bool:
        return self.asking is not None and not self.asking.done()

    @property
    def serves(self) -> bool:
        return self.app == SERVICE

    def see(self, event: Event) -> None:
        """Take in what is new of it."""
        self.lost += max(event["restarts"] - self.restarts, 0)
        self.restarts = event["restarts"]
        if event.get("terminating") and not self.terminating:
            # At once, however short ago it was asked for something else.
            self.terminating, self.asked = True, None
        self.is_gone = self.is_gone or event["type"] == DELETED


class Way(Protocol):
    """How pods are reached. Both raise LabError or OSError where one cannot be."""

    @property
    def logs_stay(self) -> bool:
        """Whether a log can still be read when its pod is gone."""
        ...

    def log(self, pod: Pod, since_s: float) -> Sequence[Entry]:
        """Return the lines of all its containers from `since_s` on, in Unix time."""
        ...

    def metrics(self, pod: Pod) -> str: ...


class Listener:
    """Learns of pods from the lines of a history; of one thread, which it never keeps waiting."""

    def __init__(self, way: Way, *, since_s: float, clock: Clock = time.monotonic) -> None:
        self._way = way
        self._since_s = since_s
        self._clock = clock
        self._pods: dict[str, Pod] = {}
        self._is_over = False
        self._workers = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="listener")

    def see(self, events: Sequence[Event]) -> None:
        """Take in what was observed, and begin to ask whoever is about to go.

        Nothing is heard any more when all have been asked for the last time: a run is read on
        until its streams are closed, and a pod may still be about to go.
        """
        if self._is_over:
            return
        for event in events:
            if event["kind"] == "pod":
                self._see_pod(event)
            elif event["kind"] == "endpoints":
                self._see_addresses(event["endpoints"])
        # After all lines: where a pod is reached may be told by a later one.
        for pod in self._pods.values():
            if not pod.is_gone and self._is_due(pod):
                self._ask(pod)

    def finish(self, *, bound_s: float = BOUND_S) -> list[Pod]:
        """Ask all that are left, for so long at most; return all pods that were seen."""
        self._is_over = True
        for pod in self._pods.values():
            if (self._way.logs_stay or not pod.is_gone) and not pod.is_asked:
                self._ask(pod)
        wait([pod.asking for pod in self._pods.values() if pod.asking], timeout=bound_s)
        self.close()
        return list(self._pods.values())

    def close(self) -> None:
        """Ask nobody any more; who is being asked is not waited for."""
        self._workers.shutdown(wait=False, cancel_futures=True)

    def _is_due(self, pod: Pod) -> bool:
        """Tell whether its counters are to be seen for the first time, or it is about to go."""
        if pod.is_asked:
            return False
        if not pod.terminating:
            return pod.asked is None and pod.serves and not pod.watched.has_begun
        return pod.asked is None or self._clock() - pod.asked >= AGAIN_AFTER_S

    def _see_pod(self, event: Event) -> None:
        if event.get("app") not in (SERVICE, MIGRATION):
            return
        pod = self._pods.get(event["name"])
        if pod is None:
            pod = self._pods[event["name"]] = _new_pod(event)
        pod.see(event)

    def _see_addresses(self, endpoints: Sequence[Mapping[str, Any]]) -> None:
        for each in endpoints:
            if pod := self._pods.get(str(each.get("pod"))):
                pod.address = each.get("address")

    def _ask(self, pod: Pod) -> None:
        pod.asked = self._clock()
        pod.asking = self._workers.submit(self._hear, pod)

    def _hear(self, pod: Pod) -> None:
        """Of a worker. What does not answer is missing, which is told, and the run goes on."""
        ends = pod.terminating or self._is_over
        if pod.serves and not pod.is_gone:
            with contextlib.suppress(LabError, OSError, ValueError):
                look = exposition.read(self._way.metrics(pod))
                # Without an earlier look it is not known what it had counted before.
                pod.is_counted = ends and pod.watched.has_begun
                pod.watched.take(look)
        if self._is_over or (ends and not self._way.logs_stay):
            with contextlib.suppress(LabError, OSError, ValueError):
                self._take_log(pod)

    def _take_log(self, pod: Pod) -> None:
        since_s = self._since_s
        if pod.entries and (last_s := pod.entries[-1][0]) is not None:
            since_s = last_s + RESOLUTION_S
        pod.entries.extend(self._way.log(pod, since_s)[: MOST_LINES - len(pod.entries)])
        pod.is_heard = True


def _new_pod(event: Event) -> Pod:
    """Of a pod that was there before, what it had counted is not of this run."""
    listed = event["type"] == LISTED
    pod = Pod(event["name"], event["app"], event["release"], Watched(new=not listed))
    pod.restarts = event["restarts"] if listed else 0
    return pod
