"""A database that is away and a probe that asks it: on histories with known truth."""

from collections.abc import Iterable, Sequence

import pytest

from lab import content
from lab.scenario import loader
from lab.scenario.events import NS
from lab.scenario.history import History
from lab.scenario.judge import judge
from lab.scenario.verdict import Outcome, Verdict
from tests.scenario.histories import NEVER, Line
from tests.scenario.told import FailsAt, Life, Told, four, variant_of, well

SCENARIO = loader.load(content.folder("scenarios"), "shared-dep-readiness").scenario
LOST, OUT, BACK, IN_AGAIN, END = 8.0, 15.0, 28.0, 30.0, 45.0
STEPS = {"database away": LOST - 1, "it lasts": BACK - 1, "database back": BACK - 1}
PROBE = {"period_seconds": 2, "timeout_seconds": 1, "failure_threshold": 3}
FACTS = {"overrides": {"readiness_probe": PROBE}}
STOPPED = "57P01"


def leaving(out: float = OUT) -> list[Life]:
    return [Life(f"v1-{n}", "v1", ((-10, out), (IN_AGAIN, NEVER))) for n in range(4)]


def away(until: float = BACK) -> FailsAt:
    """What needs the database fails while that is away."""

    def fails(at: float, _release: str, endpoint: str) -> str | None:
        return STOPPED if LOST <= at < until and endpoint != "page" else None

    return fails


def with_outage(lines: Iterable[Line], *, status: int, took_s: float) -> Iterable[Line]:
    """Let looks at the database fail meanwhile, and answers to failures be these."""
    for line in lines:
        at = line["t"] / NS
        if line["kind"] == "db" and LOST <= at < BACK:
            yield {"kind": "db", "t": line["t"], "error": "connection refused"}
        elif line["kind"] == "request" and line["sqlstate"] == STOPPED:
            yield {**line, "status": status, "done": line["t"] + round(took_s * NS)}
        else:
            yield line


def verdict(
    name: str,
    pods: Sequence[Life],
    fails: FailsAt,
    *,
    outage: bool = True,
    status: int = 503,
    took_s: float = 0.21,
) -> Verdict:
    variant = variant_of(SCENARIO, name)
    told = Told(
        SCENARIO, variant, pods, fails, versions=(), steps=STEPS, facts=FACTS, verify_s=END, rate=80
    )
    lines: Iterable[Line] = told.history().events
    if outage:
        lines = with_outage(lines, status=status, took_s=took_s)
    return judge(SCENARIO, variant, History(lines))


def failed(found: Verdict) -> set[str]:
    return {check.name for check in found.checks if check.ok is False}


def test_pods_that_all_leave_with_the_database_are_reproduced():
    found = verdict("careless", leaving(), away())

    assert found.outcome is Outcome.REPRODUCED, found.reasons


def test_pods_that_leave_too_late_for_their_probes_leave_for_another_reason():
    found = verdict("careless", leaving(20.5), away())

    assert found.outcome is Outcome.NOT_REPRODUCED
    assert "the loss of the database takes every pod out" in failed(found)


def test_one_pod_that_stays_serves_the_page_and_is_not_reproduced():
    pods = [*leaving()[:3], Life("v1-3", "v1", ((-10, NEVER),))]

    assert verdict("careless", pods, away()).outcome is Outcome.NOT_REPRODUCED


def test_a_page_that_fails_by_itself_is_not_what_was_predicted():
    def all_fail(at: float, _release: str, _endpoint: str) -> str | None:
        return STOPPED if LOST <= at < BACK else None

    found = verdict("careless", four("v1"), all_fail)

    assert found.outcome is Outcome.NOT_REPRODUCED
    assert failed(found) == {
        "the loss of the database takes every pod out",
        "page is taken down with the database",
        "number of failures of what needs none, fresh",
    }


def test_pods_that_stay_and_answer_at_once_are_prevented():
    found = verdict("careful", four("v1"), away())

    assert found.outcome is Outcome.PREVENTED, found.reasons


@pytest.mark.parametrize(
    ("wrong", "check"),
    [
        ({"status": 500}, "what needs the database is answered with 503, soon"),
        ({"took_s": 1.9}, "what needs the database is answered with 503, soon"),
        ({"fails": away(BACK + 5)}, "it recovers by itself"),
        ({"pods": leaving()}, "every pod stays in the Service"),
    ],
)
def test_one_promise_that_is_not_held_is_not_prevented(wrong, check):
    given = {"pods": four("v1"), "fails": away()} | wrong

    found = verdict("careful", **given)

    assert found.outcome is Outcome.NOT_PREVENTED
    assert check in failed(found)


def test_a_database_that_stays_reproduces_nothing():
    found = verdict("control", four("v1"), well, outage=False)

    assert (found.outcome, found.as_predicted) == (Outcome.NOT_REPRODUCED, True), found.reasons


def test_a_control_in_which_something_fails_is_no_control():
    def fails(at: float, _release: str, endpoint: str) -> str | None:
        return "42703" if at > 20 and endpoint == "list_chirps" else None

    assert not verdict("control", four("v1"), fails, outage=False).as_predicted


def test_the_careful_way_with_the_careless_probe_goes_red_for_that_reason():
    found = verdict("careful-with-the-database-in-readiness", leaving(), away())

    assert (found.outcome, found.as_predicted) == (Outcome.NOT_PREVENTED, True), found.reasons
    assert "unharmed: page" in failed(found)


def rolled_out(first: float) -> list[Life]:
    """From `first` on: each new pod takes an old one's place two seconds after it got ready."""
    begin = [first + 3 * number for number in range(4)]
    old = [Life(f"v1-{n}", "v1", ((-10, at + 2),), gone=at + 3) for n, at in enumerate(begin)]
    new = [Life(f"v1b-{n}", "v1b", ((at, NEVER),), made=at - 1) for n, at in enumerate(begin)]
    return [*old, *new]


def test_a_rollout_that_waits_for_the_database_harms_nobody():
    found = verdict("careful-with-a-rollout-meanwhile", rolled_out(BACK + 2), away())

    assert found.outcome is Outcome.PREVENTED, found.reasons


def test_a_rollout_that_takes_old_pods_out_meanwhile_is_not_prevented():
    pods = [each for each in rolled_out(BACK + 2) if each.name != "v1-3"]

    found = verdict("careful-with-a-rollout-meanwhile", pods, away())

    assert found.outcome is Outcome.NOT_PREVENTED
    assert "every pod stays in the Service" in failed(found)


def test_no_pod_tells_anything_of_connections_that_were_refused():
    found = verdict("careless", leaving(), away())

    assert found.card is not None
    assert {told.ok for told in found.card.told} == {False}
