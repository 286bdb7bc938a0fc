"""What a reader may look for in the timeline is there, in words."""

import pytest

from lab.report.axis import find_axis
from lab.report.conditions import list_conditions
from lab.report.database import find_database
from lab.report.requests import Requests
from lab.report.timeline import find_timeline

FAULT = {"kind": "fault", "t": 0, "name": "migrate", "what": "requested", "detail": "to 6"}


def told(*events):
    timed = [{"t": 1_000_000_000, **each} for each in (FAULT, *events)]
    axis = find_axis(timed)
    rows = find_timeline(timed, axis, find_database(timed, axis), Requests())
    return [(row.kind, row.what, row.detail) for row in rows][1:]


@pytest.mark.parametrize(
    ("event", "row"),
    [
        (
            {"kind": "job", "name": "migrate-1", "succeeded": 0, "failed": 1},
            ("cluster", "job migrate-1 failed", ""),
        ),
        (
            {"kind": "node", "name": "n3", "ready": False, "reason": "NodeStatusUnknown"},
            ("cluster", "node n3 not ready", "NodeStatusUnknown"),
        ),
        (
            {"kind": "watch", "resource": "pods", "what": "expired", "detail": "410"},
            ("gap", "watch of pods expired", "410"),
        ),
        (
            {"kind": "lost", "what": "observer", "detail": "restarted"},
            ("gap", "lost: observer", "restarted"),
        ),
        (
            {"kind": "step", "name": "settle", "what": "timed_out", "detail": "it is quiet"},
            ("step", "settle timed out", "it is quiet"),
        ),
        (
            {
                "kind": "event",
                "type": "Warning",
                "reason": "Unhealthy",
                "object": "Pod/a",
                "message": "503",
                "count": 4,
            },
            ("cluster", "Warning Unhealthy Pod/a", "503 (4 times)"),
        ),
    ],
)
def test_an_event_becomes_a_row(event, row):
    assert told(event) == [row]


@pytest.mark.parametrize(
    "event",
    [
        {"kind": "watch", "resource": "pods", "what": "listed"},
        {"kind": "node", "name": "n3", "ready": True},
        {"kind": "job", "name": "migrate-1", "succeeded": 0, "failed": 0},
        {"kind": "unheard-of", "whatever": 1},
    ],
)
def test_what_goes_on_as_usual_is_no_row(event):
    assert told(event) == []


def test_a_failure_counts_from_when_its_user_saw_it():
    request = {
        "kind": "request",
        "t": 1_000_000_000,
        "done": 4_000_000_000,
        "endpoint": "page",
        "outcome": "read_timeout",
        "release": None,
        "sqlstate": None,
    }
    timed = [FAULT, request]
    axis = find_axis(timed)
    requests = Requests()
    requests.add(request)

    rows = find_timeline(timed, axis, find_database(timed, axis), requests)

    assert [(row.when, row.what, row.detail) for row in rows[1:]] == [
        ("+4.00 s", "first failed request", "nobody page read_timeout"),
        ("+4.00 s", "last failed request", "nobody page read_timeout"),
    ]


def test_conditions_tell_gaps_and_a_client_that_could_not_follow():
    events = [
        {"kind": "watch", "t": 1, "resource": "pods", "what": "expired"},
        {"kind": "lost", "t": 2, "what": "observer"},
        {"kind": "db", "t": 3, "error": "away", "sqlstate": "57P01"},
        {
            "kind": "health",
            "t": 4,
            "lag_p99_ms": 31.5,
            "lag_max_ms": 300,
            "cpu": 0.97,
            "planned": 10,
            "sent": 9,
            "done": 8,
            "cap_reached": True,
        },
    ]

    found = {
        each.label: (each.value, each.remark)
        for each in list_conditions(events, find_database(events, find_axis(events)))
    }

    assert found["scheduling lag p99"] == ("31.5 ms", "in the worst second")
    assert found["schedule"] == (
        "planned 10, sent 9, done 8",
        "cap of requests in flight reached",
    )
    assert found["gaps of the watchers"] == ("1", "pods expired")
    assert found["lost observations"] == ("1", "observer")
    assert found["database samples"] == ("1", "1 without an answer")
