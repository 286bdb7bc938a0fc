"""Who would have been told what, and when, from histories with known truth."""

import json

import pytest

from lab.scenario import figures, ledger, traffic
from lab.scenario.events import NS
from lab.scenario.history import History
from lab.scenario.ledger import ALARMS_WAIT_S, Ledger, Row, Wakes
from tests.scenario.histories import Line, careful, careless, half_migrated_rename
from tests.scenario.test_figures import deployment, event, job, node, pod

SCENARIO = half_migrated_rename()
CARELESS = careless(SCENARIO)
EVENTS = CARELESS.events()
HURT = round(CARELESS.changed_s * NS)
LATER = HURT + 5 * NS


def ledger_of(*more: Line, events: list[Line] = EVENTS) -> Ledger:
    told = History(sorted([*events, *more], key=lambda line: line["t"]))
    window = figures.window_of(told)
    return ledger.keep(told, window, traffic.failures(told, window))


def row(kept: Ledger, source: str) -> Row:
    (found,) = (each for each in kept.rows if each.source == source)
    return found


def first_error_ns() -> int:
    told = History(EVENTS)
    failed = traffic.failures(told, figures.window_of(told))
    return min(each.done for each in failed)


def test_times_are_reckoned_from_the_first_user_error():
    kept = ledger_of(event(LATER, "Warning"))

    assert kept.since == "first user error"
    assert row(kept, "event").first_s == pytest.approx((LATER - first_error_ns()) / NS, abs=0.001)


def test_what_was_told_before_the_first_error_has_a_time_below_zero():
    assert row(ledger_of(event(HURT - NS, "Warning")), "event").first_s < 0


def test_where_nobody_fails_times_are_reckoned_from_the_change():
    kept = ledger_of(events=careful(SCENARIO).events())

    assert (kept.since, kept.rows, kept.woken_s) == ("beginning of the change", (), None)


def test_each_way_in_which_users_fail_is_a_signal_that_wakes_nobody():
    found = row(ledger_of(), "answer")

    assert (found.what, found.first_s) == ("v1 500 42703", 0)
    assert found.count == CARELESS.failed("fresh") + CARELESS.failed("keepalive")
    assert found.wakes is Wakes.NOBODY


def test_pods_that_say_the_same_are_one_row():
    other = {**event(LATER + NS, "Warning"), "object": "Pod/y"}

    found = row(ledger_of(event(LATER, "Warning"), other), "event")

    assert (found.count, found.what) == (2, "event Unhealthy of Pod/x")


@pytest.mark.parametrize(
    ("lines", "source"),
    [
        ([node(HURT, True), node(LATER, False)], "node"),
        ([deployment(HURT, "True"), deployment(LATER, "False")], "condition"),
        ([job(LATER, "True")], "job"),
    ],
)
def test_a_state_that_lasts_wakes_somebody_when_usual_alarms_have_waited(lines, source):
    found = row(ledger_of(*lines), source)

    assert (found.wakes, found.lasts_s) == (Wakes.LATER, None)


def test_a_state_that_is_over_before_the_alarms_wakes_nobody():
    found = row(ledger_of(node(HURT, True), node(LATER, False), node(LATER + NS, True)), "node")

    assert ALARMS_WAIT_S > 1
    assert (found.wakes, found.lasts_s) == (Wakes.NOBODY, 1)


@pytest.mark.parametrize("lines", [[event(LATER, "Warning")], [pod(HURT, 0), pod(LATER, 1)]])
def test_what_only_tells_who_looks_wakes_nobody(lines):
    kept = ledger_of(*lines)

    assert all(each.wakes is Wakes.NOBODY for each in kept.rows)
    assert kept.woken_s is None


def test_a_deploy_command_that_fails_wakes_at_once():
    began = {**deployment(HURT, "True"), "release": "v9", "updated": 1, "conditions": []}
    ended = {**began, "t": LATER, "conditions": deployment(LATER, "False")["conditions"]}

    kept = ledger_of(began, ended)

    assert row(kept, "command").wakes is Wakes.AT_ONCE
    assert kept.woken_s == row(kept, "command").first_s > 0


def test_a_refused_command_is_heard_by_who_typed_it():
    refused = {"kind": "refused", "t": LATER, "what": "undo", "message": "it is paused"}

    assert row(ledger_of(refused), "command").what == "undo refused: it is paused"


def test_fewer_ready_endpoints_than_replicas_are_a_state():
    there = [{"pod": "old-0", "ready": True}]
    short = {"kind": "endpoints", "t": HURT - NS, "service": "chirps", "endpoints": there}

    assert row(ledger_of(short), "endpoints").what == "fewer than 4 endpoints are ready"


def test_what_lies_outside_of_what_is_judged_is_no_signal():
    assert [each.source for each in ledger_of(event(0, "Warning")).rows] == ["answer"]


def test_a_ledger_is_the_same_after_it_was_stored():
    kept = ledger_of(node(HURT, True), node(LATER, False), event(LATER, "Warning"))

    stored = json.loads(json.dumps(kept, default=vars_of))

    assert Ledger.from_json(stored) == kept


def vars_of(value: object) -> object:
    return {name: getattr(value, name) for name in value.__slots__}  # type: ignore[attr-defined]
