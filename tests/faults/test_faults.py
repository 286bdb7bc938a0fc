"""Faults: an effect is believed when it was seen after the request, and only then."""

import json
from typing import Any

import pytest

from lab.faults import Migrate, SetImage
from lab.scenario.history import History
from lab.scenario.stage import Fault, MayFail
from tests.faults.lines import injected, recovered

RENAME = Migrate(track="rename-careless", to=6, release="v2-naive")
ALL = Migrate(track="rename-careless", to=None, release="v2-naive")
ROLL = SetImage("v2")


def requested(fault: Fault, *events: dict[str, Any], t: int = 100) -> History:
    told = {"kind": "fault", "t": t, "name": fault.name, "what": "requested", "detail": ""}
    return History([told, *events])


def schema(t: int, version: int = 6, bound: int = 0) -> dict[str, Any]:
    return {"kind": "schema", "t": t, "version": version, "bound": bound}


def job(t: int, *, name: str = ALL.job, succeeded: int = 0, failed: bool = False) -> Any:
    condition = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}
    counts = {"active": 0, "succeeded": succeeded, "failed": int(failed)}
    conditions = [condition] if failed else []
    return {"kind": "job", "t": t, "name": name, **counts, "conditions": conditions}


def deployment(t: int, release: str) -> dict[str, Any]:
    counts = {"replicas": 4, "updated": 0, "available": 4, "generation": 2, "observed": 1}
    told = {"kind": "deployment", "t": t, "name": "chirps", "release": release}
    return {**told, **counts, "conditions": []}


def pod(t: int, release: str) -> dict[str, Any]:
    state = {"type": "ADDED", "ready": False, "restarts": 0}
    return {"kind": "pod", "t": t, "name": "chirps-1", "release": release, **state}


def test_a_migration_is_seen_by_its_version_in_the_database():
    assert RENAME.is_observed(requested(RENAME, schema(150)))


@pytest.mark.parametrize(
    "event",
    [schema(50), schema(150, version=5), job(150, succeeded=1)],
    ids=["committed before", "another version", "a Job that says so"],
)
def test_a_migration_is_not_believed_otherwise(event: dict[str, Any]):
    assert not RENAME.is_observed(requested(RENAME, event))


def test_the_bound_of_the_clocks_is_granted():
    assert RENAME.is_observed(requested(RENAME, schema(95, bound=10)))


def test_nothing_is_observed_before_it_was_requested():
    history = History([schema(150), deployment(150, "v2"), pod(150, "v2"), job(1, failed=True)])

    assert not RENAME.is_observed(history)
    assert not ROLL.is_observed(history)
    assert RENAME.failure(history) is None


def test_a_migration_to_the_end_is_seen_by_its_job():
    assert ALL.is_observed(requested(ALL, job(150, succeeded=1)))
    assert not ALL.is_observed(requested(ALL, job(50, succeeded=1)))
    assert not ALL.is_observed(requested(ALL, job(150, name="backup", succeeded=1)))


def test_a_failed_job_is_told():
    assert isinstance(RENAME, MayFail)
    told = RENAME.failure(requested(RENAME, job(150, name=RENAME.job, failed=True)))

    assert told == f"job {RENAME.job} failed: BackoffLimitExceeded"


def test_a_job_that_failed_before_is_another_ones():
    assert RENAME.failure(requested(RENAME, job(50, name=RENAME.job, failed=True))) is None


def test_a_rollout_is_seen_by_template_and_pod():
    assert ROLL.is_observed(requested(ROLL, deployment(150, "v2"), pod(160, "v2")))


@pytest.mark.parametrize(
    "events",
    [
        [deployment(150, "v2")],
        [pod(150, "v2")],
        [deployment(150, "v1"), pod(150, "v2")],
        [deployment(50, "v2"), pod(50, "v2")],
    ],
    ids=["no pod", "no template", "another template", "before the request"],
)
def test_a_rollout_is_not_believed_otherwise(events: list[dict[str, Any]]):
    assert not ROLL.is_observed(requested(ROLL, *events))


def test_faults_ask_the_stage_and_take_it_back():
    options = (("options", ()), ("job", "migrate-rename-careless-6"))

    assert injected(RENAME) == [("migrate", "rename-careless", 6, "v2-naive", *options)]
    assert recovered(RENAME) == [("clear_migration",)]
    assert injected(ROLL) == [("set_image", "v2", None)]
    assert recovered(ROLL) == [("set_image", "v1", None)]


@pytest.mark.parametrize("fault", [RENAME, ALL, ROLL], ids=lambda fault: fault.name)
def test_what_undoing_needs_can_be_journalled(fault: Fault):
    assert json.loads(json.dumps(fault.undo())) == fault.undo()
    assert fault.describe()
    assert fault.lasting
