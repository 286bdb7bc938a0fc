"""Kubernetes' own words about the Deployment and its pods, when they were new."""

from typing import Any

from lab.report.told_by_kubernetes import find_said

LATE = {
    "type": "Progressing",
    "status": "False",
    "reason": "ProgressDeadlineExceeded",
    "message": "ReplicaSet x has timed out progressing.",
}
FINE = {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated", "message": ""}


def deployment(t: int, *conditions: dict[str, str]) -> dict[str, Any]:
    return {"kind": "deployment", "t": t, "name": "chirps", "conditions": list(conditions)}


def pod(t: int, reason: str | None, restarts: int = 0) -> dict[str, Any]:
    told = {"reason": reason, "restarts": restarts, "release": "v2"}
    return {"kind": "pod", "t": t, "name": "chirps-a", **told}


def said(*events: dict[str, Any]) -> list[tuple[int, str, str]]:
    return [(each.t, each.what, each.detail) for each in find_said(events)]


def test_a_condition_is_told_with_its_reason_when_it_changes_and_not_again():
    told = said(deployment(1, FINE), deployment(2, LATE), deployment(3, LATE))

    what = "deployment chirps Progressing=False ProgressDeadlineExceeded"
    assert told == [(2, what, LATE["message"])]


def test_what_was_so_when_the_watch_began_is_no_news():
    assert said(deployment(1, LATE)) == []


def test_a_container_that_waits_is_told_in_the_words_of_the_kubelet():
    told = said(pod(1, None), pod(2, "CrashLoopBackOff"), pod(3, "CrashLoopBackOff"))

    assert told == [(2, "pod chirps-a CrashLoopBackOff", "release v2")]


def test_a_container_that_is_started_again_is_counted():
    told = said(pod(1, None), pod(2, "Error", 1), pod(3, None, 1), pod(4, "Error", 2))

    assert [what for _, what, _ in told] == [
        "pod chirps-a Error",
        "pod chirps-a started again",
        "pod chirps-a Error",
        "pod chirps-a started again",
    ]


def test_restarts_of_before_the_watch_are_none_of_this_run():
    assert said(pod(1, None, 3)) == []
