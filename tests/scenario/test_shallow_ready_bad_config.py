"""A wrong password and a probe that asks nothing: on histories with known truth."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pytest

from lab import content
from lab.scenario import loader
from lab.scenario.events import NS
from lab.scenario.history import History
from lab.scenario.judge import judge
from lab.scenario.verdict import Outcome, Verdict
from tests.scenario.histories import NEVER, Line
from tests.scenario.told import FailsAt, Life, Told, variant_of, well

SCENARIO = loader.load(content.folder("scenarios"), "shallow-ready-bad-config").scenario
ROLL_OUT, FIRST, LAST, UNDO, DEADLINE_S = 8.0, 10.0, 17.0, 28.0, 30
STEPS = {"secret": 7.0, "roll out": ROLL_OUT, "deploy command back": LAST, "look": UNDO}
STEPS |= {"take it back": UNDO, "taken back": 40.0, "new pods gone": 45.0}
LATE = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
MINE = {"application": "chirps/v1b/x", "state": "idle", "count": 8}


def replaced() -> list[Life]:
    """One pod after the other is replaced, and after the undo the other way round."""
    old = [Life(f"v1-{n}", "v1", ((-10, FIRST + 1 + 2 * n),), gone=FIRST + 2 + 2 * n)
           for n in range(4)]  # fmt: skip
    new = [Life(f"v1b-{n}", "v1b", ((FIRST + 2 * n, UNDO + 3 + 2 * n),), made=FIRST + 2 * n - 1,
                gone=UNDO + 4 + 2 * n) for n in range(4)]  # fmt: skip
    back = [Life(f"back-{n}", "v1", ((UNDO + 2 + 2 * n, NEVER),), made=UNDO + 1) for n in range(4)]
    return [*old, *new, *back]


def kept() -> list[Life]:
    """The old pods stay, and the only new one never gets ready."""
    old = [Life(f"v1-{n}", "v1", ((-10, NEVER),)) for n in range(4)]
    return [*old, Life("v1b-0", "v1b", made=ROLL_OUT + 0.5, gone=UNDO + 12)]


def wrong_password(_at: float, release: str, endpoint: str) -> str | None:
    return "28P01" if release == "v1b" and endpoint != "page" else None


def deployments(*, late_s: float | None) -> Iterator[Line]:
    """What the Deployment told of the rollout: it is complete, or late; then of the undo."""
    yield _deployment(5.0, "v1", 1, updated=4)
    yield _deployment(ROLL_OUT + 0.2, "v1b", 2, updated=0)
    if late_s is None:
        yield _deployment(LAST, "v1b", 2, updated=4)
        yield _deployment(UNDO + 0.2, "v1", 3, updated=0)
    else:
        yield _deployment(late_s, "v1b", 2, updated=1, conditions=[LATE])
    yield _deployment(max(UNDO + 14, (late_s or 0) + 2), "v1", 3, updated=4)


def _deployment(at: float, release: str, generation: int, *, updated: int, **told: Any) -> Line:
    counts = {"replicas": 4 if updated == 4 else 5, "updated": updated, "available": 4}
    seen = {"generation": generation, "observed": generation, "conditions": [], **told}
    return {"kind": "deployment", "t": round(at * NS), "name": "chirps", "release": release,
            **counts, **seen}  # fmt: skip


def told_by(lines: Iterable[Line], late_s: float | None, sessions: Sequence[Line]) -> list[Line]:
    """Put these lines of the Deployment, and these sessions, in the place of those there."""
    kept = [line for line in lines if line["kind"] != "deployment"]
    more = list(deployments(late_s=late_s))
    made = []
    for line in kept:
        if line["kind"] == "db":
            line = {**line, "sessions": sessions}
        if line["kind"] == "closed" and line["stream"] == kept_stream(kept):
            dropped = sum(1 for each in lines if each["kind"] == "deployment")
            line = {**line, "lines": line["lines"] + len(more) - dropped}
        made.append(line)
    return sorted([*made, *more], key=lambda line: (line["t"], line["kind"] != "run"))


def kept_stream(lines: Sequence[Line]) -> str:
    """Return the stream whose end counts all lines."""
    return next(each["stream"] for each in lines if each["kind"] == "closed" and each["lines"])


def verdict(
    name: str,
    pods: Sequence[Life],
    fails: FailsAt,
    *,
    late_s: float | None = None,
    sessions: Sequence[Line] = (),
) -> Verdict:
    variant = variant_of(SCENARIO, name)
    facts = {"progress_deadline_s": DEADLINE_S}
    steps = STEPS if late_s is None else {**STEPS, "deploy command back": late_s}
    told = Told(
        SCENARIO, variant, pods, fails, versions=(), steps=steps, facts=facts, verify_s=60, rate=80
    )
    lines = [_as_answered(line) for line in told.history().events]
    return judge(SCENARIO, variant, History(told_by(lines, late_s, sessions)))


def _as_answered(line: Line) -> Line:
    has_failed = line["kind"] == "request" and line["sqlstate"]
    return {**line, "status": 503} if has_failed else line


def failed(found: Verdict) -> set[str]:
    return {check.name for check in found.checks if check.ok is False}


def test_a_success_that_serves_nobody_is_reproduced():
    found = verdict("careless", replaced(), wrong_password)

    assert found.outcome is Outcome.REPRODUCED, found.reasons


@pytest.mark.parametrize(
    ("seconds", "outcome"), [(1.5, Outcome.REPRODUCED), (3.5, Outcome.NOT_REPRODUCED)]
)
def test_nodes_that_still_lead_to_an_old_pod_have_the_time_that_learning_takes(
    seconds: float, outcome: Outcome
):
    last_gone = FIRST + 7

    def fails(at: float, release: str, endpoint: str) -> str | None:
        still_led = last_gone <= at < last_gone + seconds
        return None if still_led else wrong_password(at, release, endpoint)

    assert verdict("careless", replaced(), fails).outcome is outcome


def test_another_sqlstate_is_another_failure():
    def fails(at: float, release: str, endpoint: str) -> str | None:
        return wrong_password(at, release, endpoint) and "42501"

    assert verdict("careless", replaced(), fails).outcome is Outcome.NOT_REPRODUCED


def test_a_page_that_fails_as_well_is_another_failure():
    def fails(_at: float, release: str, _endpoint: str) -> str | None:
        return "28P01" if release == "v1b" else None

    assert "unharmed: page" in failed(verdict("careless", replaced(), fails))


def test_one_endpoint_that_works_without_the_database_is_not_what_was_predicted():
    def fails(at: float, release: str, endpoint: str) -> str | None:
        return None if endpoint == "create_user" else wrong_password(at, release, endpoint)

    assert "everything fails once v1 is gone" in failed(verdict("careless", replaced(), fails))


def test_a_new_pod_that_gets_traffic_for_a_moment_is_not_prevented():
    pods = [*kept()[:4], Life("v1b-0", "v1b", ((12.0, 13.0),), made=9.0, gone=UNDO + 12)]

    found = verdict("careful", pods, well, late_s=ROLL_OUT + 0.2 + DEADLINE_S)

    assert failed(found) == {"v1b never gets traffic"}


def test_a_deploy_that_fails_at_its_deadline_over_pods_that_go_on_is_prevented():
    found = verdict("careful", kept(), well, late_s=ROLL_OUT + 0.2 + DEADLINE_S)

    assert found.outcome is Outcome.PREVENTED, found.reasons


def test_a_deploy_that_fails_much_later_is_not_prevented():
    found = verdict("careful", kept(), well, late_s=ROLL_OUT + 10 + DEADLINE_S)

    assert failed(found) == {"the deploy command of v1b exits 1 at the progress deadline"}


def test_a_new_pod_that_had_a_session_has_worked_and_is_not_prevented():
    late_s = ROLL_OUT + 0.2 + DEADLINE_S

    found = verdict("careful", kept(), well, late_s=late_s, sessions=[MINE])

    assert failed(found) == {"v1b never has a session"}


def test_the_right_password_reproduces_nothing():
    found = verdict("control", replaced(), well)

    assert (found.outcome, found.as_predicted) == (Outcome.NOT_REPRODUCED, True), found.reasons


def test_the_careful_way_without_the_latch_goes_red_for_that_reason():
    found = verdict("careful-without-the-latch", replaced(), wrong_password)

    assert (found.outcome, found.as_predicted) == (Outcome.NOT_PREVENTED, True), found.reasons


def test_the_card_says_that_log_and_metric_told_and_that_the_exit_code_lied():
    found = verdict("careless", replaced(), wrong_password)

    assert found.card is not None
    assert {told.way: told.ok for told in found.card.told} == {
        "log line": True,
        "metric": True,
        "exit code": False,
    }


def test_the_card_says_that_the_exit_code_told_where_nobody_was_hurt():
    found = verdict("careful", kept(), well, late_s=ROLL_OUT + 0.2 + DEADLINE_S)

    assert found.card is not None
    assert [(told.way, told.ok) for told in found.card.told if told.ok] == [("exit code", True)]
