"""Restarts, back-off, deadlines, order: the checks by themselves, at their edges."""

import pytest

from lab.scenario import checks_data, checks_pods, checks_reach
from lab.scenario.checks_order import follows
from lab.scenario.checks_progress import overdue
from lab.scenario.events import NS
from lab.scenario.evidence import MissingEvidence
from lab.scenario.history import History
from lab.scenario.model import Invariant, Moment
from lab.scenario.moments import first_ready_endpoint, injected
from tests.scenario.histories import half_migrated_rename
from tests.scenario.told import Life, Told, four

SCENARIO = half_migrated_rename()
BOUND_NS = 10_000_000


def told(*pods: Life, **truth: float) -> History:
    return Told(SCENARIO, SCENARIO.careless, [*four("v1"), *pods], **truth).history()  # type: ignore[arg-type]


def moment(at_s: float, *, bound_ns: int = 0) -> Moment:
    return Moment(f"second {at_s:g}", lambda _: round(at_s * NS), lambda _: bound_ns)


@pytest.mark.parametrize(
    ("restarts", "waits_s"), [(0, 0), (1, 10), (2, 20), (3, 40), (6, 300), (9, 300)]
)
def test_the_wait_doubles_from_ten_seconds_to_five_minutes(restarts, waits_s):
    assert checks_pods.wait_s(restarts) == waits_s


@pytest.mark.parametrize(("back", "ok"), [(63.1, False), (63.4, True), (78.6, True), (78.9, False)])
def test_a_pod_is_expected_when_its_wait_ends_give_or_take_a_quarter(back, ok):
    # The cause goes at 40. By then there were three restarts, so 40 s are waited from 31 on.
    restarts, ends = (9.0, 20.0, 30.0, 71.0), (10.0, 21.0, 31.0)
    pod = Life("v2-0", "v2", ((32.0, 33.0),), restarts=restarts, ends=ends)
    check = checks_pods.waits_out_the_backoff("v2", back=moment(back), cause_gone=moment(40))

    assert check.judge(told(pod, verify_s=90.0)).ok is ok


@pytest.mark.parametrize(
    "pod",
    [
        Life("v2-0", "v2", made=16.0, ends=(17.0,)),
        Life("v2-0", "v2"),
        Life("v2-0", "v2", restarts=(12.0,), ends=(11.0,)),
    ],
)
def test_where_no_pod_waited_when_the_cause_went_nothing_can_be_said_of_the_wait(pod):
    check = checks_pods.waits_out_the_backoff("v2", back=moment(20), cause_gone=moment(15))

    with pytest.raises(MissingEvidence, match="no pod of v2 waited"):
        check.judge(told(pod))


def test_a_release_that_was_never_seen_was_not_kept_from_restarting_either():
    assert checks_pods.never_restarted("v9").judge(told()).ok is None


def test_what_was_restarted_before_it_counted_is_not_told_of_the_change():
    history = told(Life("v2-0", "v2", restarts=(2.0,), gone=5.0))

    assert checks_pods.restarted("v2", at_least=1).judge(history).ok is False


@pytest.mark.parametrize(
    ("after_s", "ok"), [(1.98, False), (1.995, True), (3, True), (5.005, True), (5.02, False)]
)
def test_a_moment_follows_within_its_bounds_and_those_of_the_clocks(after_s, ok):
    cause = moment(10, bound_ns=BOUND_NS)
    check = follows(moment(10 + after_s), cause, at_least_s=2, at_most_s=5)

    assert check.judge(History()).ok is ok


def test_a_rollout_is_overdue_when_that_was_told_in_the_run_and_not_before():
    condition = overdue()

    assert not condition.holds(told(), 0)
    assert condition.holds(told(overdue_s=20.0), 0)
    assert not condition.holds(told(overdue_s=3.0), 0)


def test_whoever_was_not_injected_has_no_time():
    fault = SCENARIO.careful.timeline[-1].fault
    assert fault is not None

    with pytest.raises(MissingEvidence, match="not injected"):
        injected(fault).at(told())


def test_a_release_without_a_ready_endpoint_has_no_first_one():
    with pytest.raises(MissingEvidence, match="no ready endpoint of v2"):
        first_ready_endpoint("v2").at(told(Life("v2-0", "v2")))


def test_nobody_answers_is_open_where_nobody_asked():
    check = checks_reach.nobody_answers(moment(20), moment(20))

    assert check.judge(told()).ok is None


def test_how_many_may_be_away_must_be_told_by_the_stage():
    history = History(
        [{"kind": "run", "t": 0, "scenario": "s", "variant": "v", "load": {}, "facts": {}}]
    )

    with pytest.raises(MissingEvidence, match="replicas"):
        checks_reach.never_fewer_ready_than_allowed().judge(history)


def test_a_question_that_was_not_asked_has_no_answer():
    with pytest.raises(MissingEvidence, match="not asked"):
        checks_data.answer(told(), Invariant("all is well", "SELECT 0"))
