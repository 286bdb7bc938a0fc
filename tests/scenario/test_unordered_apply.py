"""New pods before their schema: three ways to behave, on histories with known truth."""

from typing import Any

import pytest

from lab import content
from lab.scenario import loader
from lab.scenario.events import NS
from lab.scenario.history import History
from lab.scenario.judge import judge
from lab.scenario.load import CHIRP_ENDPOINTS
from lab.scenario.verdict import Outcome, Verdict
from tests.scenario.histories import NEVER
from tests.scenario.told import Life, Told, variant_of

SCENARIO = loader.load(content.folder("scenarios"), "unordered-apply").scenario
COMMIT = 46.0
OLD = [Life(f"v1-{n}", "v1", ((-10, 50.0 + 4 * n),), gone=54.0 + 4 * n) for n in range(4)]
RESTARTS = (7.0, 18.0, 39.0, 80.0)
ENDS = (8.0, 19.0, 40.0)


def column_missing(at: float, release: str, endpoint: str) -> str | None:
    """v2 asks for a column that is there from the commit on."""
    is_early = at < COMMIT and release == "v2" and endpoint in CHIRP_ENDPOINTS
    return "42703" if is_early else None


def serving_at_once(release: str) -> list[Life]:
    """A rollout that nothing holds up: an old pod goes each four seconds."""
    old = [Life(f"v1-{n}", "v1", ((-10, 12.0 + 4 * n),), gone=16.0 + 4 * n) for n in range(4)]
    new = [Life(f"new-{n}", release, ((9.0 + 4 * n, NEVER),), 7.0 + 4 * n) for n in range(4)]
    return [*old, *new]


def waiting(ready: float = 48.0, **told: Any) -> list[Life]:
    """The first new pod is ready soon after the commit, the others follow."""
    new = [Life(f"v2-{n}", "v2", ((ready + 4 * n, NEVER),), 7.0 + 4 * n, **told) for n in range(4)]
    return [*OLD, *new]


def backing_off(ready: float = 82.0) -> list[Life]:
    """The surge pod is tried at once and then ever later; the last try finds the schema."""
    old = [
        Life(f"v1-{n}", "v1", ((-10, ready + 4 + 4 * n),), gone=ready + 8 + 4 * n) for n in range(4)
    ]
    first = Life("v2-0", "v2", ((ready, NEVER),), 6.0, restarts=RESTARTS, ends=ENDS)
    rest = [
        Life(f"v2-{n}", "v2", ((ready + 4 * n, NEVER),), ready + 4 * n - 2) for n in range(1, 4)
    ]
    return [*old, first, *rest]


def verdict(name: str, pods: list[Life], **truth: Any) -> Verdict:
    variant = variant_of(SCENARIO, name)
    given = {"versions": ((6, COMMIT),), "fails": column_missing, "verify_s": 80.0}
    told = Told(SCENARIO, variant, pods, **(given | truth))
    return judge(SCENARIO, variant, told.history())


def test_new_code_that_serves_before_its_schema_is_reproduced():
    found = verdict("careless", serving_at_once("v2"))

    assert found.outcome is Outcome.REPRODUCED, found.reasons
    assert {(row.release, row.sqlstate) for row in found.signature} == {("v2", "42703")}


def test_failures_that_go_on_after_the_commit_are_another_failure():
    def goes_on(_at: float, release: str, endpoint: str) -> str | None:
        return column_missing(0, release, endpoint)

    assert (
        verdict("careless", serving_at_once("v2"), fails=goes_on).outcome is Outcome.NOT_REPRODUCED
    )


def test_failures_of_the_old_code_are_another_failure():
    def old_code(at: float, release: str, endpoint: str) -> str | None:
        return column_missing(at, "v2" if release == "v1" and at > 7 else "v1", endpoint)

    assert (
        verdict("careless", serving_at_once("v2"), fails=old_code).outcome is Outcome.NOT_REPRODUCED
    )


def test_the_control_fails_nobody():
    found = verdict("control", serving_at_once("v1b"))

    assert found.outcome is Outcome.NOT_REPRODUCED
    assert found.as_predicted, found.reasons


def test_a_pod_that_waits_and_serves_at_once_is_prevented():
    found = verdict("careful", waiting())

    assert found.outcome is Outcome.PREVENTED, found.reasons


@pytest.mark.parametrize(
    ("truth", "broken"),
    [
        ({"pods": waiting(ready=53.0)}, "the first ready endpoint of v2 follows"),
        ({"pods": waiting(restarts=(17.0,))}, "v2 is not restarted"),
        ({"pods": waiting(), "overdue_s": 37.0}, "the rollout is never reported to have failed"),
        ({"pods": waiting(ready=40.0)}, "no failure"),
    ],
)
def test_the_careful_way_owes_each_of_its_bounds(truth, broken):
    found = verdict("careful", **truth)

    assert found.outcome is Outcome.NOT_PREVENTED
    assert any(check.name.startswith(broken) for check in found.checks if not check.ok)


def test_less_patience_than_the_migration_takes_is_red_because_of_restarts():
    found = verdict("careful-without-patience", waiting(restarts=(17.0, 28.0)))

    assert found.outcome is Outcome.NOT_PREVENTED
    assert found.as_predicted, found.reasons


def test_a_pod_that_exits_is_back_when_its_backoff_ends():
    found = verdict("careless-exit", backing_off(), overdue_s=66.0, verify_s=110.0)

    assert found.outcome is Outcome.REPRODUCED, found.reasons
    assert found.as_predicted
    check = next(each for each in found.checks if each.name == "v2 waits out the back-off")
    assert check.predicted == pytest.approx(ENDS[2] + 40 - COMMIT)


def test_a_pod_that_is_back_at_another_time_did_not_wait_for_its_backoff():
    pods = backing_off(ready=67.0)

    found = verdict("careless-exit", pods, overdue_s=66.0, verify_s=110.0)

    assert [each.name for each in found.checks if not each.ok] == ["v2 waits out the back-off"]


def fresh(ready: float, **told: Any) -> list[Life]:
    return [Life(f"v2-{n}", "v2", ((ready, NEVER),), 6.5, **told) for n in range(4)]


NOTHING = {"facts": {"replicas": 0}}


def test_on_a_first_install_the_backoff_is_downtime():
    pods = fresh(82.0, restarts=RESTARTS, ends=ENDS)

    found = verdict("fresh-exit", pods, verify_s=110.0, **NOTHING)

    assert found.outcome is Outcome.REPRODUCED, found.reasons


def test_on_a_first_install_waiting_is_downtime_until_the_commit_only():
    found = verdict("fresh-wait", fresh(48.0), **NOTHING)

    assert found.outcome is Outcome.PREVENTED, found.reasons


def test_a_first_install_that_fails_once_it_serves_is_not_prevented():
    def fails(at: float, *_: str) -> str | None:
        return "42703" if at > 55 else None

    found = verdict("fresh-wait", fresh(48.0), fails=fails, **NOTHING)

    assert found.outcome is Outcome.NOT_PREVENTED


def test_a_first_install_begins_with_nobody_there():
    found = verdict("fresh-wait", waiting(), **NOTHING)

    assert found.outcome is Outcome.INVALID
    assert any("answered" in reason for reason in found.reasons)


def test_where_somebody_serves_the_traffic_must_be_clean_first():
    found = verdict("careful", waiting(), fails=lambda at, *_: "42703" if at < 3 else None)

    assert found.outcome is Outcome.INVALID


def test_a_migrations_own_pod_is_no_pod_of_the_release():
    variant = SCENARIO.careful
    events = list(
        Told(SCENARIO, variant, waiting(), versions=((6, COMMIT),), verify_s=80).history().events
    )
    job = {"kind": "pod", "t": 7 * NS, "type": "ADDED", "name": "migrate-x", "release": "v2"}
    events.append({**job, "app": "migrate", "ready": True, "restarts": 3})
    closed = next(each for each in events if each["kind"] == "closed" and each["lines"])
    events[events.index(closed)] = {**closed, "lines": closed["lines"] + 1}

    assert judge(SCENARIO, variant, History(events)).outcome is Outcome.PREVENTED
