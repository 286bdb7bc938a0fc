"""Verdicts on rollouts with known truth: right when it is right, and never right otherwise."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.scenario import checks, posts, predictions
from lab.scenario.events import NS, is_observed
from lab.scenario.evidence import MissingEvidence
from lab.scenario.history import History
from lab.scenario.judge import judge
from lab.scenario.model import CHIRP_ENDPOINTS, Check, Scenario
from lab.scenario.moments import committed
from lab.scenario.signature import Signature
from lab.scenario.verdict import CheckResult, Outcome, Verdict
from tests.scenario.histories import (
    Line,
    Rollout,
    careful,
    careless,
    failing,
    half_migrated_rename,
    nothing_fails,
    proof,
)

SCENARIO = half_migrated_rename()
CARELESS = careless(SCENARIO)
CAREFUL = careful(SCENARIO)
# Made once: many tests take a line away from these or spoil one.
CARELESS_EVENTS = CARELESS.events()
CAREFUL_EVENTS = CAREFUL.events()
# The same examples each time: a verdict has a tolerance, and chance must not decide a test.
TRIES = settings(derandomize=True, deadline=None, max_examples=12)


def verdict(rollout: Rollout) -> Verdict:
    return judge(rollout.scenario, rollout.variant, rollout.history())


def verdict_of(events: Any, rollout: Rollout = CARELESS) -> Verdict:
    return judge(SCENARIO, rollout.variant, History(events))


def test_the_predicted_failure_is_reproduced():
    found = verdict(CARELESS)

    assert found.outcome is Outcome.REPRODUCED, found.reasons
    assert found.as_predicted
    assert all(check.ok for check in found.checks)
    assert {(row.release, row.sqlstate) for row in found.signature} == {("v1", "42703")}


def test_the_number_of_failures_is_the_true_one():
    measured = {check.name: check.measured for check in verdict(CARELESS).checks}

    assert measured["number of failures, fresh"] == CARELESS.failed("fresh")
    assert measured["number of failures, keepalive"] == CARELESS.failed("keepalive")


def test_a_prediction_that_no_failure_would_fit_too_tells_nothing():
    # So seldom is anything asked that a handful of failures is expected, or none.
    found = verdict(careless(SCENARIO, rate=1))

    assert found.outcome is Outcome.INVALID
    assert "number of failures, keepalive: too few to tell" in found.reasons


@pytest.mark.parametrize(
    ("rollout", "predicted", "near"),
    [
        (careless(SCENARIO, fails=nothing_fails), 0.0, None),
        (careless(SCENARIO, fails=nothing_fails), 9.0, None),
        (careless(SCENARIO, fails=nothing_fails), 10.0, False),
        (CARELESS, 2.0, False),
        (CARELESS, float(CARELESS.failed("fresh")), True),
    ],
)
def test_a_count_is_near_only_where_nothing_at_all_would_not_be(
    monkeypatch: pytest.MonkeyPatch, rollout: Rollout, predicted: float, near: bool | None
):
    given = predictions.Prediction(predicted, "given")
    monkeypatch.setitem(predictions.BY_STREAM, "fresh", lambda *_: given)
    signature = Signature("v1", "42703", CHIRP_ENDPOINTS)
    check = checks.as_many_as_predicted(signature, since=committed(6), stream="fresh")

    assert check.judge(rollout.history()).ok is near


@TRIES
@given(
    ready_after_s=st.floats(1, 8),
    min_ready_s=st.floats(0.5, 6),
    terminates_s=st.floats(0.5, 10),
    replicas=st.integers(2, 6),
    seed=st.integers(0, 1000),
)
def test_any_rollout_with_this_failure_is_reproduced(**truth: Any):
    found = verdict(careless(SCENARIO, **truth))

    assert found.outcome is Outcome.REPRODUCED, found.reasons


@pytest.mark.parametrize(
    "fails",
    [nothing_fails, failing("v1", "42P01"), failing("v2-naive"), failing("v1", "")],
    ids=["nothing fails", "another SQLSTATE", "another release", "no SQLSTATE"],
)
def test_red_for_another_reason_is_not_reproduced(fails: Callable[[str, str], str | None]):
    found = verdict(careless(SCENARIO, fails=fails))

    assert found.outcome is Outcome.NOT_REPRODUCED
    assert not found.as_predicted
    assert found.reasons


def test_failures_at_other_endpoints_are_not_reproduced():
    def everywhere(release: str, _endpoint: str) -> str | None:
        return "42703" if release == "v1" else None

    assert verdict(careless(SCENARIO, fails=everywhere)).outcome is Outcome.NOT_REPRODUCED


def test_failures_that_go_on_when_the_cause_is_gone_are_not_reproduced():
    events = [dict(event) for event in CARELESS_EVENTS]
    late = [event for event in events if event["kind"] == "request"][-5]
    late |= {"outcome": "http_5xx", "sqlstate": "42703", "release": "v1"}

    found = verdict_of(events)

    assert found.outcome is Outcome.NOT_REPRODUCED
    assert any("once the cause is gone" in reason for reason in found.reasons)


def test_failures_long_after_the_commit_are_not_reproduced():
    def late(event: dict[str, Any]) -> dict[str, Any]:
        commit = event["kind"] == "schema" and event["version"] == 6
        return {**event, "t": event["t"] - 2_000_000_000} if commit else event

    found = verdict_of([late(event) for event in CARELESS_EVENTS])

    assert found.outcome is Outcome.NOT_REPRODUCED
    assert any("first failure" in reason for reason in found.reasons)


def test_failures_before_the_commit_are_not_reproduced():
    def early(event: dict[str, Any]) -> dict[str, Any]:
        commit = event["kind"] == "schema" and event["version"] == 6
        return {**event, "t": event["t"] + 2_000_000_000} if commit else event

    assert verdict_of([early(e) for e in CARELESS_EVENTS]).outcome is Outcome.NOT_REPRODUCED


def test_the_control_is_not_reproduced_and_that_is_predicted():
    found = verdict(proof(SCENARIO, "control", new="v1b"))

    assert found.outcome is Outcome.NOT_REPRODUCED
    assert found.as_predicted


def test_a_control_that_reproduces_is_not_as_predicted():
    found = verdict(proof(SCENARIO, "control", new="v1b", fails=failing("v1")))

    assert found.outcome is Outcome.REPRODUCED
    assert not found.as_predicted


@pytest.mark.parametrize("fails", [failing("v1b"), failing("v1", "08006")])
def test_a_control_in_which_something_else_fails_proves_nothing(
    fails: Callable[[str, str], str | None],
):
    found = verdict(proof(SCENARIO, "control", new="v1b", fails=fails))

    assert found.outcome is Outcome.NOT_REPRODUCED
    assert not found.as_predicted
    assert any(reason.startswith("no failure: predicted 0") for reason in found.reasons)


def test_the_careful_way_is_prevented():
    found = verdict(CAREFUL)

    assert found.outcome is Outcome.PREVENTED, found.reasons
    assert found.as_predicted


def test_one_failure_is_enough_to_be_not_prevented():
    spoilt = [dict(event) for event in CAREFUL_EVENTS]
    one = next(e for e in spoilt if e["kind"] == "request" and e["t"] > 20e9 and "ref" not in e)
    one |= {"outcome": "reset", "status": None, "release": None, "pod": None}

    found = verdict_of(spoilt, CAREFUL)

    assert found.outcome is Outcome.NOT_PREVENTED
    assert found.figures.failures == 1


def test_too_little_traffic_cannot_show_that_nothing_fails():
    found = verdict(careful(SCENARIO, rate=10))

    assert found.outcome is Outcome.INVALID
    assert any("could fail and not be seen" in reason for reason in found.reasons)


@pytest.mark.parametrize(
    ("spoil", "outcome"),
    [
        ({"value": 3}, Outcome.NOT_PREVENTED),
        ({"value": None, "error": "no such column"}, Outcome.INVALID),
    ],
)
def test_the_data_decides_too(spoil: dict[str, Any], outcome: Outcome):
    events = [{**e, **spoil} if e["kind"] == "invariant" else e for e in CAREFUL_EVENTS]

    assert verdict_of(events, CAREFUL).outcome is outcome


@pytest.mark.parametrize(
    ("spoil", "fate", "outcome"),
    [
        ({"stored": 0, "readable": None, "matches": None}, "lost", Outcome.NOT_PREVENTED),
        ({"stored": 2}, "duplicated", Outcome.NOT_PREVENTED),
        ({"readable": False, "matches": None}, "unreadable", Outcome.NOT_PREVENTED),
        ({"matches": False}, "unreadable", Outcome.NOT_PREVENTED),
        ({"readable": None, "matches": None}, "unread", Outcome.INVALID),
    ],
)
def test_what_became_of_one_acknowledged_write_decides(
    spoil: dict[str, Any], fate: str, outcome: Outcome
):
    events = [dict(event) for event in CAREFUL_EVENTS]
    # Written before anything was done, so that no other check asks for it.
    next(e for e in events if e["kind"] == "audit").update(spoil)
    next(e for e in events if e["kind"] == "audit_done")[fate] += 1

    assert verdict_of(events, CAREFUL).outcome is outcome


def test_what_no_write_was_acknowledged_for_is_not_told():
    events = [e for e in CAREFUL_EVENTS if e["kind"] != "audit"]

    assert checks.no_write_is_lost().judge(History(events)).ok is None


def during_the_run(event: Line) -> bool:
    return bool(CAREFUL.baseline_ends_s * NS <= event["t"] < CAREFUL.verify_s * NS)


@pytest.mark.parametrize("share", [1, 30], ids=["every one", "a few"])
def test_sessions_that_fail_are_not_prevented(share: int):
    events = [
        {**e, "ok": e["seq"] % share != 0} if e["kind"] == "session" and during_the_run(e) else e
        for e in CAREFUL_EVENTS
    ]

    found = verdict_of(events, CAREFUL)

    assert found.outcome is Outcome.NOT_PREVENTED
    assert found.reasons[0].startswith("no session fails: predicted 0")


def test_a_session_that_began_before_the_change_and_met_it_counts():
    events = [dict(e) for e in CAREFUL_EVENTS]
    begin = CAREFUL.baseline_ends_s * NS
    last = [e for e in events if e["kind"] == "session" and e["t"] < begin][-1]
    last |= {"ok": False, "done": round(begin + NS)}

    assert verdict_of(events, CAREFUL).outcome is Outcome.NOT_PREVENTED


def test_too_few_sessions_cannot_show_that_none_fails():
    assert checks.no_session_fails(rate_below=0.05).judge(CAREFUL.history()).ok
    assert checks.no_session_fails(rate_below=0.01).judge(CAREFUL.history()).ok is None


@pytest.mark.parametrize("by", ["request", "session"])
@pytest.mark.parametrize(
    ("spoil", "outcome"),
    [
        ({"readable": False}, Outcome.NOT_PREVENTED),
        ({"matches": False}, Outcome.NOT_PREVENTED),
        ({"release": "v1"}, Outcome.NOT_PREVENTED),
        ({"readable": None}, Outcome.INVALID),
    ],
)
def test_one_chirp_that_is_not_read_back_decides(spoil: dict[str, Any], outcome: Outcome, by: str):
    events = [dict(event) for event in CAREFUL_EVENTS]
    posted = next(
        e for e in events if e["kind"] == by and e.get("chirp") and 15 * NS < e["t"] < 20 * NS
    )
    next(e for e in events if e["kind"] == "audit" and e["ref"] == posted["ref"]).update(spoil)
    next(e for e in events if e["kind"] == "audit_done").update(posts.fates(History(events)))

    assert verdict_of(events, CAREFUL).outcome is outcome


def test_the_mutation_goes_red_for_the_named_reason():
    truth = {"new": "v2", "versions": (), "fails": failing("v2")}
    found = verdict(proof(SCENARIO, "careful-without-expand", **truth))

    assert found.outcome is Outcome.NOT_PREVENTED
    assert found.as_predicted


@pytest.mark.parametrize("fails", [failing("v2", "42P01"), failing("v1"), nothing_fails])
def test_a_mutation_that_is_red_for_another_reason_is_no_proof(
    fails: Callable[[str, str], str | None],
):
    truth = {"new": "v2", "versions": (), "fails": fails, "baseline_ends_s": 1.0}
    found = verdict(proof(SCENARIO, "careful-without-expand", **truth))

    assert not found.as_predicted


@TRIES
@given(st.integers(1, len(CARELESS_EVENTS) - 1))
def test_a_history_that_was_cut_anywhere_is_invalid(cut: int):
    assert verdict_of(CARELESS_EVENTS[:cut]).outcome is Outcome.INVALID


def without_line(events: Sequence[Line], lost: Line) -> list[Line]:
    """Leave one line out and have the observer count one less, as if it had never written it."""
    left = [dict(event) for event in events if event is not lost]
    # In these histories one stream counts the lines of all.
    for counting in (e for e in left if e["kind"] == "closed" and e["lines"]):
        counting["lines"] -= is_observed(lost["kind"])
    return left


def lines_of_each_sort(events: Sequence[Line]) -> list[Line]:
    """Return the first, a middle and the last line of whatever is told."""
    sorts: dict[tuple[Any, ...], list[Line]] = {}
    for event in events:
        # A session has no name and no stream, and so on: what a line has tells its sort.
        sort = tuple(event.get(field) for field in ("kind", "what", "name", "resource", "version"))
        sorts.setdefault(sort, []).append(event)
    return [told[n] for told in sorts.values() for n in sorted({0, len(told) // 2, len(told) - 1})]


def is_spare(lost: Line) -> bool:
    """Whether a careful run is as good without: others tell the same, or it decides nothing."""
    match lost["kind"]:
        case "fault":
            # That its effect was seen implies that it was asked for.
            return bool(lost["what"] == "requested")
        case "health" | "tick" | "db":
            # One of each second, and a gap of one is not long.
            return True
        case "pod" | "endpoints":
            # One of a sequence in which only the end decides.
            return True
        case "schema":
            return bool(lost["version"] != 6)
        case "session":
            # No line tells how many were planned, so the last is missed by the count alone.
            return bool(lost["seq"] == 2 * round(CAREFUL.verify_s) - 1)
    return False


@pytest.mark.parametrize("lost", lines_of_each_sort(CAREFUL_EVENTS), ids=lambda e: str(e["kind"]))
def test_each_line_that_is_needed_is_missed(lost: Line):
    found = verdict_of(without_line(CAREFUL_EVENTS, lost), CAREFUL)

    assert found.outcome is Outcome.INVALID or is_spare(lost), lost


@pytest.mark.parametrize("lost", lines_of_each_sort(CAREFUL_EVENTS)[::9])
def test_no_line_is_missing_unless_the_observer_counted_it_too(lost: Line):
    events = [event for event in CAREFUL_EVENTS if event is not lost]
    found = verdict_of(events, CAREFUL)

    assert found.outcome is Outcome.INVALID or lost.get("what") == "requested"


@pytest.mark.parametrize(
    ("kind", "spoil"),
    [
        ("request", {"outcome": "reset"}),
        ("session", {"ok": False}),
        ("invariant", {"value": 3}),
    ],
)
def test_losing_the_line_that_tells_of_a_failure_does_not_prevent_it(
    kind: str, spoil: dict[str, Any]
):
    events = [dict(event) for event in CAREFUL_EVENTS]
    later = [e for e in events if e["kind"] == kind and e["t"] > 15 * NS]
    one = next(e for e in later if e.get("endpoint") != "create_chirp")
    one |= spoil

    assert verdict_of(events, CAREFUL).outcome is Outcome.NOT_PREVENTED
    assert verdict_of(without_line(events, one), CAREFUL).outcome is Outcome.INVALID


def test_an_empty_history_is_invalid():
    assert verdict_of([]).outcome is Outcome.INVALID


def test_a_truncated_history_is_invalid():
    found = judge(SCENARIO, SCENARIO.careless, History(CARELESS_EVENTS, truncated=True))

    assert found.outcome is Outcome.INVALID
    assert "the last line of the history was cut" in found.reasons


def test_a_missing_commit_makes_the_run_invalid_and_not_red():
    (commit,) = (e for e in CARELESS_EVENTS if e["kind"] == "schema" and e["version"] == 6)
    found = verdict_of(without_line(CARELESS_EVENTS, commit))

    assert found.outcome is Outcome.INVALID
    assert any("commit of schema version 6" in reason for reason in found.reasons)


@pytest.mark.parametrize("error", [MissingEvidence("no"), ZeroDivisionError(), AttributeError()])
def test_a_check_that_raises_makes_the_run_invalid(error: Exception):
    def raises(_history: History) -> CheckResult:
        raise error

    found = judge(*with_check(SCENARIO, Check("broken", raises)), CARELESS.history())

    assert found.outcome is Outcome.INVALID
    assert any("broken" in reason for reason in found.reasons)


def with_check(scenario: Scenario, check: Check) -> tuple[Scenario, Any]:
    return scenario, replace(scenario.careless, checks=(check, *scenario.careless.checks))


def test_a_verdict_survives_json():
    for rollout in (CARELESS, CAREFUL):
        found = verdict(rollout)
        assert Verdict.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_judging_again_gives_the_same():
    history = CARELESS.history()

    assert judge(SCENARIO, SCENARIO.careless, history) == judge(
        SCENARIO, SCENARIO.careless, history
    )
