"""How many fail while nobody serves: on histories with known truth."""

from collections.abc import Sequence

import pytest

from lab.scenario.checks_size import as_many_as_come
from lab.scenario.evidence import MissingEvidence
from lab.scenario.history import History
from lab.scenario.load import ALL_ENDPOINTS, Load
from lab.scenario.spells import database_away, no_endpoint_ready
from lab.scenario.verdict import CheckResult
from tests.scenario.histories import NEVER, half_migrated_rename
from tests.scenario.told import FailsAt, Life, Told, four, well

GONE, BACK = 15.0, 30.0


def absent(until: float = BACK) -> list[Life]:
    return [Life(f"v1-{n}", "v1", ((-10, GONE), (until, NEVER))) for n in range(4)]


def judged(pods: Sequence[Life], fails: FailsAt = well) -> CheckResult:
    scenario = half_migrated_rename()
    check = as_many_as_come(
        ALL_ENDPOINTS, of="everything", stream="fresh", during=no_endpoint_ready(), late_s=1
    )
    return check.judge(Told(scenario, scenario.careless, pods, fails).history())


def all_fail(_at: float, _release: str, _endpoint: str) -> str | None:
    return "42703"


def test_whoever_comes_while_no_endpoint_is_ready_fails():
    found = judged(absent())

    assert found.ok
    assert found.predicted == 40 * 0.75 * (BACK - GONE)
    assert found.measured == pytest.approx(found.predicted, rel=0.1)


def test_who_fails_before_or_afterwards_was_not_predicted():
    assert judged(absent(), all_fail).ok is False


def test_a_spell_that_never_came_explains_no_failure_and_is_no_gap():
    calm = judged(four("v1"))

    assert (calm.ok, calm.predicted, calm.measured) == (False, 0, 0)
    assert calm.detail == "that never was so"


def test_each_spell_counts():
    twice = ((-10, 12), (16, 25), (30, NEVER))

    found = judged([Life(f"v1-{n}", "v1", twice) for n in range(4)])

    assert found.ok
    assert found.predicted == 40 * 0.75 * (4 + 5)


def test_a_spell_that_was_there_before_is_counted_from_what_is_judged():
    found = judged([Life(f"v1-{n}", "v1", ((20, NEVER),)) for n in range(4)])

    assert found.ok
    assert found.predicted == 40 * 0.75 * (20 - 6)


def test_a_spell_too_short_to_tell_leaves_it_open():
    assert judged(absent(until=GONE + 0.1)).ok is None


def test_a_spell_that_goes_on_is_counted_to_the_end_of_what_is_judged():
    found = judged([Life(f"v1-{n}", "v1", ((-10, GONE),)) for n in range(4)])

    assert found.ok
    assert found.predicted == 40 * 0.75 * (50 - GONE)


def test_where_nobody_looked_at_the_database_nothing_is_known_of_it():
    told = [
        {"kind": "run", "t": 0, "scenario": "s", "variant": "v", "facts": {},
         "load": Load().to_json()},
        {"kind": "phase", "t": 1, "name": "run"},
    ]  # fmt: skip
    check = as_many_as_come(("page",), of="page", stream="fresh", during=database_away(), late_s=1)

    with pytest.raises(MissingEvidence, match="nobody looked"):
        check.judge(History(told))


def test_all_endpoints_are_those_of_the_load():
    assert set(ALL_ENDPOINTS) == set(Load().mix)
