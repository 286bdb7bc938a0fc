"""A default that was dropped: its verdicts on rollouts with known truth."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from lab import content
from lab.scenario import loader
from lab.scenario.history import History
from lab.scenario.judge import judge
from lab.scenario.model import Variant
from lab.scenario.verdict import Outcome, Verdict
from tests.scenario.histories import NEVER, Fails, Line, Pod, Rollout, nothing_fails

SCENARIO = loader.load(content.folder("scenarios"), "not-null-default-dropped").scenario
CAREFUL_VERSIONS = ((6, 9.0), (7, 50.0), (8, 50.1), (9, 50.2))


def cannot_insert(release: str, sqlstate: str = "23502") -> Fails:
    return lambda by, endpoint: sqlstate if (by, endpoint) == (release, "create_chirp") else None


def cannot_do(release: str, sqlstate: str, *endpoints: str) -> Fails:
    return lambda by, endpoint: sqlstate if by == release and endpoint in endpoints else None


def proof(name: str) -> Variant:
    return next(each for each in SCENARIO.proofs if each.name == name)


def rollout(variant: Variant, fails: Fails = nothing_fails, **truth: Any) -> Rollout:
    given = {"new": "v2-lang", "fails": fails, "rate": 80}
    return Rollout(SCENARIO, variant, **(given | truth))


def verdict(truth: Rollout) -> Verdict:
    return judge(SCENARIO, truth.variant, truth.history())


CARELESS = rollout(SCENARIO.careless, cannot_insert("v1"))


def test_inserts_of_the_old_code_fail_and_nothing_else():
    found = verdict(CARELESS)

    assert found.outcome is Outcome.REPRODUCED, found.reasons
    assert {(row.release, row.sqlstate, row.endpoint) for row in found.signature} == {
        ("v1", "23502", "create_chirp")
    }


@pytest.mark.parametrize(
    "fails",
    [
        nothing_fails,
        cannot_insert("v2-lang"),
        cannot_insert("v1", "42703"),
        cannot_do("v1", "23502", "create_chirp", "get_chirp", "list_chirps"),
    ],
    ids=["nothing", "the new code", "another SQLSTATE", "reads too"],
)
def test_red_for_another_reason_is_not_reproduced(fails: Fails):
    assert verdict(replace(CARELESS, fails=fails)).outcome is Outcome.NOT_REPRODUCED


def test_a_single_read_that_fails_is_not_reproduced():
    def seldom(release: str, endpoint: str) -> str | None:
        return (
            next(turns)
            if (release, endpoint) == ("v1", "get_chirp")
            else inserts(release, endpoint)
        )

    turns: Iterator[str | None] = (None if n != 3 else "57014" for n in range(100_000))
    inserts = cannot_insert("v1")

    found = verdict(replace(CARELESS, fails=seldom))

    assert found.outcome is Outcome.NOT_REPRODUCED
    assert [reason.partition(":")[0] for reason in found.reasons] == ["unharmed"]


def test_a_default_that_stays_is_prevented():
    found = verdict(rollout(SCENARIO.careful, versions=CAREFUL_VERSIONS))

    assert found.outcome is Outcome.PREVENTED, found.reasons


def test_a_chirp_without_a_language_is_not_prevented():
    truth = rollout(SCENARIO.careful, versions=CAREFUL_VERSIONS)
    lines = [{**e, "value": 3} if e["kind"] == "invariant" else e for e in truth.events()]

    found = judge(SCENARIO, truth.variant, History(lines))

    assert found.outcome is Outcome.NOT_PREVENTED


def test_the_control_is_not_reproduced_and_nothing_fails_in_it():
    good = verdict(rollout(proof("control"), new="v1b"))
    bad = verdict(rollout(proof("control"), cannot_insert("v1b"), new="v1b"))

    assert (good.outcome, good.as_predicted) == (Outcome.NOT_REPRODUCED, True)
    assert (bad.outcome, bad.as_predicted) == (Outcome.NOT_REPRODUCED, False)


@pytest.mark.parametrize(
    ("fails", "as_predicted"),
    [(cannot_insert("v1"), True), (cannot_insert("v2-lang"), False), (nothing_fails, False)],
    ids=["for the named reason", "for another", "not at all"],
)
def test_the_careful_way_without_its_default_goes_red(fails: Fails, as_predicted: bool):
    found = verdict(rollout(proof("careful-without-default"), fails))

    assert found.as_predicted is as_predicted


@dataclass(frozen=True)
class Rehearsal(Rollout):
    """Nothing is rolled out; two Jobs end, the one well and the other not."""

    test: int = 1
    deploy: int = 0
    schema: int = 5

    def pods(self) -> list[Pod]:
        return [Pod(f"old-{n}", "v1", -10, NEVER, NEVER) for n in range(self.replicas)]

    @property
    def verify_s(self) -> float:
        return 40.0

    def _pods(self) -> Iterator[Line]:
        yield from super()._pods()
        for at, name, succeeded in (
            (9.0, "migrate-notnull-naive", self.test),
            (14.0, "migrate-notnull-naive-6", self.deploy),
        ):
            failed = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}
            told = {"name": name, "active": 0, "succeeded": succeeded, "failed": 1 - succeeded}
            yield self._line("job", at, **told, conditions=[] if succeeded else [failed])

    def _samples(self) -> Iterator[Line]:
        for line in super()._samples():
            yield line | {"schema": self.schema if line["t"] > 14e9 else 5}


def rehearsal(**truth: Any) -> Rehearsal:
    return Rehearsal(SCENARIO, proof("naive"), "v1", versions=(), rate=80, **truth)


def test_what_passes_on_empty_tables_and_fails_on_full_ones_is_reproduced():
    found = verdict(rehearsal())

    assert found.outcome is Outcome.REPRODUCED, found.reasons


@pytest.mark.parametrize(
    "truth", [{"test": 0}, {"deploy": 1}, {"schema": 6}], ids=lambda each: next(iter(each))
)
def test_a_pipeline_that_sees_it_or_a_database_that_takes_it_is_not_reproduced(
    truth: dict[str, Any],
):
    assert verdict(rehearsal(**truth)).outcome is Outcome.NOT_REPRODUCED


def test_a_job_whose_end_was_not_seen_proves_nothing():
    lines: Sequence[Line] = [
        {**e, "name": "another"} if e.get("name") == "migrate-notnull-naive-6" else e
        for e in rehearsal().events()
    ]

    assert judge(SCENARIO, proof("naive"), History(lines)).outcome is Outcome.INVALID
