"""Faults on the database: seen by the samples of it, or by what the stage did itself."""

import pytest

from lab.faults import (
    HoldSession,
    RightSecret,
    RunSql,
    StartDatabase,
    StopDatabase,
    TerminateBackends,
    WrongSecret,
)
from tests.faults.lines import injected, recovered, requested, sample, unanswered

BUSY = HoldSession("report", "SELECT count(*) FROM chirps", seconds=30)
IDLE = HoldSession("forgotten", "SELECT 1", idle_in_transaction=True)
ENDED = TerminateBackends("chirps/v2/")


def test_a_session_is_seen_in_the_state_that_was_asked_for():
    assert BUSY.is_observed(requested(BUSY, sample(150, "analyst/report")))
    assert IDLE.is_observed(
        requested(IDLE, sample(150, "analyst/forgotten", "idle in transaction"))
    )


@pytest.mark.parametrize(
    "line",
    [
        sample(50, "analyst/report"),
        sample(150, "analyst/report", "idle in transaction"),
        sample(150, "analyst/reports"),
        unanswered(150),
    ],
    ids=["before", "another state", "another session", "no answer"],
)
def test_a_session_is_not_believed_otherwise(line: dict[str, object]):
    assert not BUSY.is_observed(requested(BUSY, line))


def test_a_session_that_was_refused_has_failed():
    told = {"kind": "hold", "t": 150, "name": "report", "what": "failed", "message": "no table"}

    assert BUSY.failure(requested(BUSY, told)) == "session analyst/report: no table"
    assert BUSY.failure(requested(BUSY, told | {"what": "ended"})) is None
    assert IDLE.failure(requested(IDLE, told)) is None


@pytest.mark.parametrize("name", ["", "it's", "a b", "A", "x" * 60])
def test_a_session_has_a_name_that_needs_no_quotes(name: str):
    with pytest.raises(ValueError, match="session"):
        HoldSession(name, "SELECT 1")


def test_terminating_is_seen_when_somebody_was_ended():
    told = {"kind": "terminated", "t": 150, "application": "chirps/v2/", "backends": 8}

    assert ENDED.is_observed(requested(ENDED, told))
    assert ENDED.failure(requested(ENDED, told)) is None
    assert not ENDED.is_observed(requested(ENDED, told | {"application": "chirps/"}))


def test_terminating_nobody_has_failed():
    told = {"kind": "terminated", "t": 150, "application": "chirps/v2/", "backends": 0}

    failure = ENDED.failure(requested(ENDED, told))

    assert failure == "there was no backend of chirps/v2/ to terminate"


def test_statements_by_hand_stay_where_nothing_takes_them_back():
    lasting, passing = RunSql("fix", "SELECT 1"), RunSql("fix", "SELECT 1", "SELECT 2")

    assert lasting.lasting
    assert recovered(lasting) == []
    assert not passing.lasting
    assert recovered(passing) == [("run_sql", "fix", "SELECT 2")]
    assert passing.is_observed(requested(passing, {"kind": "sql", "t": 150, "name": "fix"}))
    assert not passing.is_observed(requested(passing, {"kind": "sql", "t": 150, "name": "x"}))


def test_a_stop_is_seen_by_a_sample_without_an_answer_and_a_start_by_one_with():
    stop, start = StopDatabase(), StartDatabase()

    assert stop.is_observed(requested(stop, unanswered(150)))
    assert not stop.is_observed(requested(stop, unanswered(50), sample(150)))
    assert start.is_observed(requested(start, sample(150)))
    assert not start.is_observed(requested(start, unanswered(150)))


def test_a_recovery_waits_and_a_step_does_not():
    assert injected(StartDatabase()) == [("start_database", ("wait", False))]
    assert recovered(StartDatabase()) == [("start_database", ("wait", True))]
    assert recovered(StopDatabase()) == [("start_database", ("wait", True))]


def test_a_password_is_wrong_and_right_when_the_stage_says_so():
    wrong, right = WrongSecret("v2"), RightSecret("v2")
    told = {"kind": "secret", "t": 150, "release": "v2", "what": "wrong"}

    assert wrong.is_observed(requested(wrong, told))
    assert not wrong.is_observed(requested(wrong, told | {"release": "v1"}))
    assert not right.is_observed(requested(right, told))
    assert right.is_observed(requested(right, told | {"what": "right"}))
    assert recovered(wrong) == [("restore_secret", "v2")]


def test_a_password_that_did_not_come_to_all_pods_is_not_believed():
    wrong, right = WrongSecret("v2"), RightSecret("v2")
    told = {"kind": "secret", "t": 150, "release": "v2", "what": "wrong", "unseen": ["chirps-1"]}

    assert not wrong.is_observed(requested(wrong, told))
    failure = "the password is wrong, and chirps-1 still have another"
    assert wrong.failure(requested(wrong, told)) == failure
    assert right.failure(requested(right, told)) is None
    assert wrong.is_observed(requested(wrong, told | {"unseen": []}))
