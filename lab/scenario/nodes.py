"""When was a node lost, and when were its pods given up? What the cluster says, which may be wrong.

A node that is not heard of becomes not Ready; when its pods have tolerated that for as long as
they say, they are marked for deletion, and others take their places. Whether the containers
still run is not known to anybody who asks the API:
https://kubernetes.io/docs/concepts/architecture/nodes/#condition
"""

from lab.scenario import reach
from lab.scenario.baseline import clean_traffic
from lab.scenario.events import NS, Event
from lab.scenario.evidence import MissingEvidence, phase_began
from lab.scenario.history import History
from lab.scenario.model import Baseline, Condition, Moment

SERVICE = "chirps"
RUNNING = "Running"


def pods_on(history: History, node: str, release: str) -> tuple[Event, ...]:
    """Return what was told of the service's pods of `release` on the node, in order."""
    return tuple(
        pod
        for pod in history.of("pod")
        if pod.get("node") == node
        and pod["release"] == release
        and pod.get("app", SERVICE) == SERVICE
    )


def last_on(history: History, node: str, at: int) -> tuple[Event, ...]:
    """Return what was told last of each of the service's pods that was on the node at `at`."""
    last = {
        pod["name"]: pod
        for pod in history.of("pod")
        if pod["t"] <= at and pod.get("node") == node and pod.get("app", SERVICE) == SERVICE
    }
    return tuple(pod for pod in last.values() if pod["type"] != "DELETED")


def is_unwell(history: History, node: str, at: int) -> bool:
    """Tell whether all pods of the service on the node run, and none is ready or leaving."""
    there = last_on(history, node, at)
    return bool(there) and all(
        pod.get("phase", RUNNING) == RUNNING and not pod["ready"] and not pod.get("terminating")
        for pod in there
    )


def has_an_unwell_pod(node: str, *, for_s: float, within_s: float) -> Condition:
    """What is left of the service on the node runs and is not ready, longer than a start takes."""

    def holds(history: History, now: int) -> bool:
        since = now - round(for_s * NS)
        return is_unwell(history, node, since) and is_unwell(history, node, now)

    sentence = f"the only pod of the service on {node} runs and is not ready, for {for_s:g} s"
    return Condition(sentence, holds, within_s)


def ran_there(history: History, node: str, release: str) -> bool:
    """Tell whether some pod of `release` on the node was Ready before anything was done."""
    run = history.first("phase", name="run")
    told = pods_on(history, node, release)
    last = {pod["name"]: pod for pod in told if run is None or pod["t"] < run["t"]}
    return any(pod["ready"] and not pod.get("terminating") for pod in last.values())


def lost(node: str) -> Moment:
    """The cluster takes the node for lost."""

    def at(history: History) -> int:
        begin = phase_began(history, "run")
        for line in history.of("node"):
            if line["name"] == node and not line["ready"] and line["t"] >= begin:
                return int(line["t"])
        raise MissingEvidence(f"{node} was never seen not to be Ready")

    return Moment(f"{node} counted as lost", at, _none)


def given_up(node: str, release: str) -> Moment:
    """The first pod of the service on the lost node is marked for deletion."""

    def at(history: History) -> int:
        since = lost(node).at(history)
        for pod in pods_on(history, node, release):
            if pod.get("terminating") and pod["t"] >= since:
                return int(pod["t"])
        raise MissingEvidence(f"no pod of {release} on {node} was seen to be given up")

    return Moment(f"the pods on {node} given up", at, _none)


def are_given_up(node: str, release: str, *, within_s: float) -> Condition:
    """Pods of the lost node are marked for deletion."""
    moment = given_up(node, release)
    return Condition(
        f"the pods of {release} on {node} are given up",
        lambda history, _now: _has_come(moment, history),
        within_s,
    )


def serves_in_full(release: str, *, within_s: float) -> Condition:
    """As many endpoints of `release` are ready as pods are wanted."""

    def holds(history: History, _now: int) -> bool:
        try:
            ready = reach.reaches(history)[-1].ready
        except (MissingEvidence, IndexError):
            return False
        return ready.count(release) >= int(history.facts.get("replicas", 1))

    return Condition(f"as many pods of {release} are ready as are wanted", holds, within_s)


def clean_traffic_and_a_pod_on(node: str, release: str) -> Baseline:
    """The usual baseline, and there is somebody on the node to whom something can happen."""

    def problems(history: History) -> tuple[str, ...]:
        there = ran_there(history, node, release)
        return (*clean_traffic(history), *([] if there else [f"no pod of {release} is on {node}"]))

    return problems


def ghosts(history: History, node: str, release: str, at: int) -> frozenset[str]:
    """Return the pods that were given up on the node before `at`, and not seen to end by then.

    Of a node that is not heard of, the API learns of no end: such a pod stays "Terminating".
    """
    told = [pod for pod in pods_on(history, node, release) if pod["t"] <= at]
    last = {pod["name"]: pod for pod in told}
    return frozenset(
        name for name, pod in last.items() if pod.get("terminating") and pod["type"] != "DELETED"
    )


def _has_come(moment: Moment, history: History) -> bool:
    try:
        moment.at(history)
    except MissingEvidence:
        return False
    return True


def _none(_history: History) -> int:
    # Seen by the observer itself, on the clock that requests are timed with.
    return 0
