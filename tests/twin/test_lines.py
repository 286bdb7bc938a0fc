"""A twin is told of in the lines that a watched cluster gives."""

import asyncio
from collections.abc import Mapping
from typing import Any

from lab.observer.watch import describe
from lab.scenario.events import problem_with
from lab.twin import lines
from lab.twin.deployment import Deployment, reconcile
from lab.twin.jobs import Job
from lab.twin.lines import Snapshot, Teller
from lab.twin.pods import Identity, Pod
from lab.twin.spec import PodSpec, Template, read_spec
from tests.twin.play import GOOD
from tests.twin.test_pods import FakeContainer, FakeWorld

METADATA = {"name": "chirps", "uid": "1"}


def a_pod(*, ready: bool = False, port: int | None = None, deleted: bool = False) -> Pod:
    async def make() -> Pod:
        identity = Identity("pod-1", "set-1", Template("v1"), "n3", created=0)
        pod = Pod(identity, PodSpec(), FakeWorld())
        pod.container = FakeContainer(None)
        pod.container.port = port
        pod.ready_since = 1.0 if ready else None
        if deleted:
            pod.delete()
        return pod

    return asyncio.run(make())


def a_deployment() -> Deployment:
    return reconcile(Deployment("chirps", read_spec(GOOD, Template("v1"))), [], 0).deployment


def test_every_line_has_the_fields_of_a_cluster_in_their_order() -> None:
    found, job = a_deployment(), Job("migrate-t", "migrate-t-abcde", "v1", "n3", ())
    condition = {"type": "Available", "status": "True"}
    told = {"metadata": METADATA, "status": {"conditions": [condition]}}

    pairs: list[tuple[Mapping[str, Any], Mapping[str, Any]]] = [
        (lines.pod(a_pod()), describe.pod(told)),
        (lines.pod_of_job(job), describe.pod(told)),
        (lines.job(job), describe.job(told)),
        (lines.deployment(found), describe.deployment(told)),
        (
            lines.replicaset(found.sets[0], [], min_ready_s=0, now=0),
            describe.replicaset(told),
        ),
        (lines.deployment(found)["conditions"][0], describe.deployment(told)["conditions"][0]),
        (
            lines.endpoints([a_pod(port=4000)])["endpoints"][0],
            describe.endpoints({"endpoints": [{}]})[0],
        ),
    ]

    for ours, theirs in pairs:
        assert list(ours) == list(theirs)


def test_a_pod_that_terminates_is_no_ready_endpoint_but_serves() -> None:
    pod = a_pod(ready=True, port=4000, deleted=True)

    endpoint = lines.endpoints([pod])["endpoints"][0]

    assert (endpoint["ready"], endpoint["serving"], endpoint["terminating"]) == (False, True, True)


def test_a_pod_without_an_address_is_no_endpoint() -> None:
    assert lines.endpoints([a_pod()])["endpoints"] == []


def snapshot(**pods: str) -> Snapshot:
    return Snapshot(
        pods={
            name: {"name": name, "release": release, "ready": True, "restarts": 0}
            for name, release in pods.items()
        }
    )


def told_by(*steps: Snapshot) -> list[Mapping[str, Any]]:
    """Return the lines of a stream that was opened with the first of these."""
    written: list[Mapping[str, Any]] = []
    teller = Teller(written.append, now=lambda: 7)
    teller.tell(steps[0])
    teller.open(steps[0], run="r", instance="i")
    for step in steps[1:]:
        teller.tell(step)
    teller.close()
    teller.tell(Snapshot())
    return written


def test_a_stream_begins_with_all_there_is_and_counts_its_lines() -> None:
    written = told_by(snapshot(a="v1"))

    kinds = [line["kind"] for line in written]
    assert kinds == ["stream", "pod", "endpoints", *["watch"] * 6, "closed"]
    assert written[1]["type"] == "LISTED"
    assert written[-1]["lines"] == len(written)
    assert [problem_with(line) for line in written if problem_with(line)] == []


def test_only_what_changed_is_told() -> None:
    written = told_by(
        snapshot(a="v1"), snapshot(a="v1"), snapshot(a="v1", b="v2"), snapshot(b="v3")
    )

    changes = [(line["type"], line["name"]) for line in written if line["kind"] == "pod"]
    assert changes == [("LISTED", "a"), ("ADDED", "b"), ("DELETED", "a"), ("MODIFIED", "b")]


def test_a_pod_that_is_gone_is_not_ready() -> None:
    gone = next(
        line for line in told_by(snapshot(a="v1"), Snapshot()) if line.get("type") == "DELETED"
    )

    assert not gone["ready"]
