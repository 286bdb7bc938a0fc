"""When is the effect of a change to the cluster believed? Common to the faults."""

from collections.abc import Iterator

from lab.scenario.events import Event
from lab.scenario.evidence import requested
from lab.scenario.history import History


def after_request(history: History, fault: str, kind: str) -> Iterator[Event]:
    """Yield the events of `kind` since the fault of that name was injected; none before it was."""
    since = requested(history, fault)
    if since is None:
        return
    yield from (event for event in history.of(kind) if event["t"] >= since)


def told_anew(history: History, fault: str) -> Iterator[Event]:
    """Yield the Deployment's lines in which its controller has seen a spec newer than before.

    `metadata.generation` grows with each change of the spec, and `status.observedGeneration`
    follows when the controller has acted on it:
    https://github.com/kubernetes/api/blob/master/apps/v1/types.go (DeploymentStatus).
    """
    since = requested(history, fault)
    if since is None:
        return
    lines = history.of("deployment")
    before = max((line["generation"] for line in lines if line["t"] < since), default=0)
    for line in lines:
        is_newer = line["t"] >= since and line["generation"] > before
        if is_newer and line["observed"] >= line["generation"]:
            yield line
