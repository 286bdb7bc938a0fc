"""Did log, metric and exit code say who fails and why? From histories with known truth."""

import json
from dataclasses import replace

import pytest

from lab.scenario import card_told, figures, traffic
from lab.scenario.card import Card, Level, Told
from lab.scenario.events import NS
from lab.scenario.history import History
from lab.scenario.judge import judge
from lab.scenario.verdict import Verdict
from tests.scenario.histories import Line, careful, careless, half_migrated_rename
from tests.scenario.test_figures import job

SCENARIO = half_migrated_rename()
CARELESS = careless(SCENARIO)
EVENTS = CARELESS.events()
HURT = round(CARELESS.changed_s * NS)
CARD = Card(Level.DATABASE, "run v1 on schema 6", ("schema", "code"), ("errors by release",))


def told(*more: Line, events: list[Line] = EVENTS, **changes: object) -> dict[str, Told]:
    """Return what each way told; `changes` are fields of each failed request."""
    lines = [{**line, **changes} if is_failed(line) else line for line in (*events, *more)]
    history = History(sorted(lines, key=lambda line: line["t"]))
    window = figures.window_of(history)
    found = card_told.told(history, window, traffic.failures(history, window))
    return {each.way: each for each in found}


def is_failed(line: Line) -> bool:
    return line["kind"] == "request" and line["outcome"] != "ok"


def test_answers_with_release_and_sqlstate_are_in_log_and_metric():
    found = told()

    assert (found["log line"].ok, found["metric"].ok) == (True, True)
    assert "status=500 sqlstate=42703 of v1" in found["log line"].says
    assert 'sqlstate="42703"' in found["metric"].says


def test_what_no_pod_answered_is_in_neither():
    found = told(outcome="refused", status=None, sqlstate=None, release=None, pod=None)

    assert (found["log line"].ok, found["metric"].ok) == (False, False)
    assert "no pod had them" in found["log line"].says


def test_an_answer_without_a_cause_does_not_tell_why():
    found = told(status=503, sqlstate=None)

    assert found["metric"].ok is False
    assert "no cause" in found["metric"].says


def test_answers_below_500_are_counted_and_not_logged():
    found = told(outcome="http_4xx", status=409, sqlstate="23505")

    assert (found["log line"].ok, found["metric"].ok) == (False, True)


def test_where_nothing_failed_there_was_nothing_to_tell():
    found = told(events=careful(SCENARIO).events())

    assert {each.ok for each in found.values()} == {None}


def test_users_that_fail_while_no_command_is_waited_for_are_told_by_no_exit_code():
    assert told()["exit code"] == Told("exit code", False, "no command was waited for")


def test_a_job_that_fails_tells_and_one_that_succeeds_over_failures_does_not():
    succeeded = {**job(HURT, "False"), "succeeded": 1}

    assert told(job(HURT, "True"))["exit code"] == Told("exit code", True, "job m fails")
    assert told(succeeded)["exit code"].ok is False


def test_an_answer_of_the_operators_program_is_an_exit_code():
    no = {"kind": "answer", "t": HURT, "name": "ask why-not", "code": 1}
    yes = {**no, "code": 0, "told": {"sentence": "nothing waits"}}

    found = told({**no, "told": {"sentence": "a SELECT holds it"}})["exit code"]

    assert found == Told("exit code", True, "ask why-not exits 1: a SELECT holds it")
    assert told(yes)["exit code"].ok is False


@pytest.mark.parametrize(
    ("final", "returns"), [((), 2), (("migrate",), 0), (("roll out",), 1), (("rolled out",), 2)]
)
def test_the_way_back_ends_at_the_first_change_that_cannot_be_taken_back(final, returns):
    scenario = replace(SCENARIO, card=replace(CARD, no_way_back=final))

    filled = judge(scenario, scenario.careless, History(EVENTS)).card

    assert filled is not None
    assert (filled.steps, filled.returns) == (2, returns)


def test_what_only_the_careless_way_makes_final_leaves_the_careful_one_open():
    scenario = replace(SCENARIO, card=replace(CARD, careless_no_way_back=("roll out",)))

    careless_, careful_ = (
        judge(scenario, each, History(EVENTS)).card
        for each in (scenario.careless, scenario.careful)
    )

    assert careless_ is not None
    assert careful_ is not None
    assert (careless_.returns, careful_.returns) == (1, careful_.steps)


def test_a_verdict_with_its_card_is_the_same_after_it_was_stored():
    scenario = replace(SCENARIO, card=replace(CARD, no_way_back=("migrate",)))
    verdict = judge(scenario, scenario.careless, History(EVENTS))

    stored = Verdict.from_json(json.loads(json.dumps(verdict.to_json())))

    assert (stored, stored.card, stored.ledger) == (verdict, verdict.card, verdict.ledger)


def test_a_verdict_that_was_stored_before_there_were_cards_can_be_read():
    verdict = judge(SCENARIO, SCENARIO.careless, History(EVENTS))
    old = {k: v for k, v in verdict.to_json().items() if k not in ("ledger", "card")}

    stored = Verdict.from_json(json.loads(json.dumps(old)))

    assert (stored.card, stored.ledger) == (None, None)
    assert stored == verdict


def test_a_run_that_broke_off_has_a_ledger_and_a_card_as_well():
    cut = [line for line in EVENTS if line["t"] < HURT and line.get("name") != "verify"]

    verdict = judge(SCENARIO, SCENARIO.careless, History(cut))

    assert verdict.ledger is not None
    assert verdict.card is not None
    assert judge(SCENARIO, SCENARIO.careless, History()).card is not None
