"""What would a deploy command have said, that stays on the line until it knows?

The rule is that of `kubectl rollout status`, StatusViewer of a Deployment in
k8s.io/kubectl pkg/polymorphichelpers/rollout_status.go: it waits until the controller has seen
the newest template; it fails once the progress deadline was exceeded; it succeeds when all
replicas are of that template, available, and no other is left.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from lab.scenario.events import Event
from lab.scenario.evidence import MissingEvidence, phase_began
from lab.scenario.history import History

EXCEEDED = "ProgressDeadlineExceeded"


@dataclass(frozen=True, slots=True)
class Rollout:
    """One change of release: when the controller had seen it, and how the command ended.

    Times in ns. `ended` and `code` are None where another change came first, or the end.
    """

    release: str
    began: int
    ended: int | None = None
    code: int | None = None
    message: str = ""


def rollouts(history: History) -> tuple[Rollout, ...]:
    """Return the changes of release since the run began, the oldest first."""
    return history.derive(_rollouts)


def of_release(history: History, release: str) -> Rollout:
    """Return the first rollout of `release`. Raises MissingEvidence."""
    for each in rollouts(history):
        if each.release == release:
            return each
    raise MissingEvidence(f"no rollout of {release} was seen")


def _rollouts(history: History) -> tuple[Rollout, ...]:
    try:
        begin = phase_began(history, "run")
    except MissingEvidence:
        return ()
    replicas = history.facts.get("replicas")
    before = [line for line in history.of("deployment") if line["t"] < begin]
    release = before[-1]["release"] if before else None
    found: list[list[Event]] = []
    for line in history.of("deployment"):
        if line["t"] < begin or line["observed"] < line["generation"]:
            continue
        if line["release"] != release:
            release = line["release"]
            found.append([])
        if found:
            found[-1].append(line)
    return tuple(_rollout(lines, replicas) for lines in found)


def _rollout(lines: list[Event], replicas: int | None) -> Rollout:
    began, release = lines[0]["t"], str(lines[0]["release"])
    for t, code, message in _ends(lines, replicas):
        return Rollout(release, began, t, code, message)
    return Rollout(release, began)


def _ends(lines: list[Event], replicas: int | None) -> Iterator[tuple[int, int, str]]:
    for line in lines:
        if is_overdue(line):
            yield line["t"], 1, f"deployment {line['name']} exceeded its progress deadline"
        elif _is_complete(line, replicas):
            yield line["t"], 0, f"deployment {line['name']} successfully rolled out"


def is_overdue(deployment: Event) -> bool:
    """Tell whether the Deployment says of itself that it took too long.

    https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#failed-deployment
    """
    return any(
        each.get("type") == "Progressing"
        and each.get("status") == "False"
        and each.get("reason") == EXCEEDED
        for each in deployment["conditions"]
    )


def _is_complete(line: Event, replicas: int | None) -> bool:
    # A line tells how many pods there are, not how many are wanted; that is configured.
    wanted = line["replicas"] if replicas is None else replicas
    return bool(
        line["updated"] >= wanted > 0
        and line["replicas"] <= line["updated"]
        and line["available"] >= line["updated"]
    )
