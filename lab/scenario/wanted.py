"""What does the API say of a release: how many pods of it are there, in its own count?

A ReplicaSet does not count pods that are marked for deletion, whether they have ended or not
(status.replicas: https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/). So
"0 pods" is said as soon as nobody wants them any more.
"""

from lab.scenario.events import NS, Event
from lab.scenario.history import History
from lab.scenario.model import Condition


def counted(history: History, release: str, at: int) -> int | None:
    """Return how many pods of `release` its ReplicaSets count at `at`; None: there are none."""
    last = {line["name"]: line for line in _sets(history, release) if line["t"] <= at}
    return sum(line["replicas"] for line in last.values()) if last else None


def gone_since(history: History, release: str) -> int | None:
    """Return since when the ReplicaSets of `release` count no pod, in ns; None while they do."""
    there: dict[str, int] = {}
    since: int | None = None
    for line in _sets(history, release):
        there[line["name"]] = line["replicas"]
        if any(there.values()):
            since = None
        elif since is None:
            since = int(line["t"])
    return since


def had_its_time(release: str, *, within_s: float = 180) -> Condition:
    """The API has counted no pod of `release` for longer than a pod may take to end."""

    def holds(history: History, now: int) -> bool:
        since, grace_s = gone_since(history, release), history.facts.get("grace_s")
        return since is not None and grace_s is not None and now > since + grace_s * NS

    return Condition(
        f"no pod of {release} was counted for longer than one may take to end", holds, within_s
    )


def _sets(history: History, release: str) -> tuple[Event, ...]:
    return tuple(line for line in history.of("replicaset") if line.get("release") == release)
