"""The figures of the first page, from histories with known truth."""

import pytest

from lab.scenario import figures
from lab.scenario.events import NS
from lab.scenario.history import History
from lab.scenario.verdict import Figures
from tests.scenario.histories import Line, careful, careless, half_migrated_rename

SCENARIO = half_migrated_rename()
CARELESS = careless(SCENARIO)
EVENTS = CARELESS.events()
COMMIT = round(CARELESS.changed_s * NS)


def figures_of(*more: Line, events: list[Line] = EVENTS) -> Figures:
    told = sorted([*events, *more], key=lambda line: line["t"])
    return figures.compute(History(told), SCENARIO.careless)


def deployment(t: int, status: str) -> Line:
    counts = {"replicas": 4, "updated": 4, "available": 4, "generation": 1, "observed": 1}
    condition = {"type": "Progressing", "status": status, "reason": "ProgressDeadlineExceeded"}
    told = {"kind": "deployment", "t": t, "name": "chirps", "release": "v1"}
    return {**told, **counts, "conditions": [condition]}


def pod(t: int, restarts: int) -> Line:
    told = {"type": "MODIFIED", "release": "v1", "ready": True}
    return {"kind": "pod", "t": t, "name": "old-0", "restarts": restarts, **told}


def node(t: int, ready: bool) -> Line:
    return {"kind": "node", "t": t, "name": "n3", "ready": ready}


def job(t: int, status: str) -> Line:
    conditions = [{"type": "Failed", "status": status}]
    return {
        "kind": "job",
        "t": t,
        "name": "m",
        "succeeded": 0,
        "failed": 1,
        "conditions": conditions,
    }


def event(t: int, kind: str) -> Line:
    return {"kind": "event", "t": t, "type": kind, "reason": "Unhealthy", "object": "Pod/x"}


def test_failures_and_their_reach_are_counted():
    found = figures_of()

    assert found.failures == CARELESS.failed("fresh") + CARELESS.failed("keepalive")
    assert 0 < found.blast_requests < 1
    # Three of the six endpoints name the column.
    assert found.blast_endpoints == 0.5
    assert found.resolution_s == 1 / CARELESS.rate


def test_recovery_ends_with_the_last_failure():
    found = figures_of()

    gone_s = CARELESS.complete_s + CARELESS.terminates_s
    assert found.recovery_s is not None
    assert 0 < found.recovery_s <= gone_s - CARELESS.changed_s
    assert found.overhang_s == 0


def test_what_still_fails_at_the_end_has_not_recovered():
    events = [dict(e) for e in EVENTS]
    window = [e for e in events if e["kind"] == "request" and e["t"] < CARELESS.verify_s * NS]
    window[-1] |= {"outcome": "reset"}

    found = figures_of(events=events)

    assert found.recovery_s is None
    assert found.overhang_s == pytest.approx(CARELESS.verify_s - CARELESS.complete_s - 6, abs=0.1)


def test_sessions_count_while_it_hurts():
    def failing(line: Line) -> Line:
        return {**line, "ok": False} if line["kind"] == "session" else line

    assert 0 < figures_of().blast_sessions < 1
    assert figures_of(events=[failing(e) for e in EVENTS]).blast_sessions == 1


def test_without_failure_there_is_nothing_to_reach_or_recover():
    truth = careful(SCENARIO)
    found = figures.compute(History(truth.events()), SCENARIO.careful)

    assert (found.failures, found.blast_requests, found.recovery_s) == (0, 0, 0)
    assert (found.silent_s, found.overhang_s) == (None, None)
    assert (found.lost_writes, found.ambiguous_writes, found.duplicated_writes) == (0, 0, 0)


def test_nobody_is_told_when_nothing_signals():
    found = figures_of()

    assert found.silent_s is None
    assert found.signal is None


@pytest.mark.parametrize(
    ("lines", "signal"),
    [
        ([event(COMMIT + 5 * NS, "Warning")], "event Unhealthy of Pod/x"),
        ([pod(COMMIT, 1), pod(COMMIT + 5 * NS, 2)], "restart of pod old-0"),
        ([job(COMMIT + 5 * NS, "True")], "job m failed"),
        (
            [deployment(0, "True"), deployment(COMMIT + 5 * NS, "False")],
            "deployment chirps: Progressing is False (ProgressDeadlineExceeded)",
        ),
        ([node(0, True), node(COMMIT + 5 * NS, False)], "node n3 is not Ready"),
    ],
)
def test_the_first_signal_ends_the_silence(lines: list[Line], signal: str):
    events = [e for e in EVENTS if e.get("name") != "old-0" or e["kind"] != "pod"]
    found = figures_of(*lines, event(COMMIT + 9 * NS, "Warning"), events=events)

    assert found.signal == signal
    assert found.silent_s == pytest.approx(5, abs=0.2)


@pytest.mark.parametrize(
    "line",
    [
        event(COMMIT, "Normal"),
        event(0, "Warning"),
        pod(COMMIT, 3),
        job(COMMIT, "False"),
        deployment(COMMIT, "False"),
        node(COMMIT, ready=False),
    ],
    ids=lambda line: str(line["kind"]),
)
def test_what_is_normal_or_known_before_is_no_signal(line: Line):
    events = [e for e in EVENTS if e.get("name") != "old-0" or e["kind"] != "pod"]

    assert figures_of(line, events=events).signal is None


@pytest.mark.parametrize(
    ("ready", "terminating", "signal"),
    [
        (False, False, None),
        (True, True, None),
        (True, False, "event Unhealthy of Pod/x"),
    ],
    ids=["a pod that starts", "a pod that ends", "a pod that serves"],
)
def test_a_failing_probe_tells_something_only_of_a_pod_that_serves(
    ready: bool, terminating: bool, signal: str | None
):
    told = {"type": "MODIFIED", "release": "v1", "restarts": 0, "terminating": terminating}
    line = {"kind": "pod", "t": COMMIT, "name": "x", "ready": ready, **told}

    found = figures_of(line, event(COMMIT + NS, "Warning"))

    assert found.signal == signal


def test_a_warning_before_the_first_failure_ends_no_silence():
    found = figures_of(event(COMMIT - NS, "Warning"))

    assert found.silent_s is None
    assert found.signal == "event Unhealthy of Pod/x (before the first error)"


def test_the_first_signal_after_the_first_failure_counts_whatever_came_before():
    found = figures_of(event(COMMIT - NS, "Warning"), event(COMMIT + 4 * NS, "Warning"))

    assert found.silent_s == pytest.approx(4, abs=0.2)
    assert found.signal == "event Unhealthy of Pod/x"


@pytest.mark.parametrize(
    ("lines", "signal"),
    [
        (
            [deployment(0, "True"), deployment(COMMIT - NS, "False")],
            "deployment chirps: Progressing is False (ProgressDeadlineExceeded)",
        ),
        ([node(0, True), node(COMMIT - NS, False)], "node n3 is not Ready"),
        ([job(COMMIT - NS, "True")], "job m failed"),
    ],
)
def test_a_signal_that_goes_on_leaves_no_silence(lines: list[Line], signal: str):
    found = figures_of(*lines)

    assert found.silent_s == 0
    assert found.signal == f"{signal} (before the first error)"


def test_a_signal_that_was_taken_back_before_the_first_failure_ends_no_silence():
    lines = [node(0, True), node(COMMIT - 2 * NS, False), node(COMMIT - NS, True)]

    assert figures_of(*lines).silent_s is None


def test_a_run_that_broke_off_has_the_figures_of_what_there_is():
    for until in (0, CARELESS.baseline_ends_s + 1, CARELESS.changed_s + 5):
        found = figures_of(events=[e for e in EVENTS if e["t"] < until * NS])
        assert found.lost_writes is None
        assert found.requests >= 0


def test_the_end_of_the_cause_may_not_have_been_seen():
    events = [e for e in EVENTS if e["kind"] != "endpoints"]

    assert figures_of(events=events).overhang_s is None


def test_an_empty_history_has_figures_too():
    found = figures.compute(History(), SCENARIO.careless)

    assert (found.requests, found.wall_s, found.resolution_s) == (0, 0, 0)
