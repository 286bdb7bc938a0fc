"""Undo into the wall: its verdicts on rollouts that were taken back, with known truth."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import pytest

from lab import content
from lab.scenario import loader
from lab.scenario.checks import as_many_as_predicted
from lab.scenario.events import NS
from lab.scenario.history import History
from lab.scenario.judge import judge
from lab.scenario.load import CHIRP_ENDPOINTS
from lab.scenario.model import Scenario, Variant
from lab.scenario.moments import committed
from lab.scenario.signature import Signature
from lab.scenario.timeline import serving
from lab.scenario.verdict import Outcome, Verdict
from tests.scenario.histories import NEVER, Fails, Line, Pod, Rollout, failing, nothing_fails

SCENARIO = loader.load(content.folder("scenarios"), "undo-into-the-wall").scenario

RENAMED_S, BACK_S = 9.0, 52.5
ASKED = MappingProxyType(
    {
        "pause": 21.3,
        "undo to v1 (refused)": 27.5,
        "resume": 27.8,
        "undo to v1": 28.1,
        "migrate rename-back to 7": 52.0,
        "migrate rename-back-control to 7": 52.0,
    }
)


@dataclass(frozen=True)
class Undone(Rollout):
    """Two new pods come up, the rollout is paused and taken back, the column renamed back.

    `bug` is how many posts in five the new release fails by itself; `unready_s` is when one
    pod of v1 was not ready for a second, `deadline_s` when the rollout was reported as late.
    """

    bug: int = 1
    until_s: float = BACK_S
    unready_s: float | None = None
    deadline_s: float | None = None
    audit: Mapping[str, Any] = field(default_factory=dict)

    def pods(self) -> list[Pod]:
        old = [Pod("old-0", "v1", -10, 18, 24)]
        old += [Pod(f"old-{n}", "v1", -10, NEVER, NEVER) for n in (1, 2, 3)]
        back = [Pod("back-0", "v1", 31.5, NEVER, NEVER)]
        new = [Pod("new-0", self.new, 14, 35.5, 41.5), Pod("new-1", self.new, 21, 29, 35)]
        return [*old, *back, *new]

    @property
    def verify_s(self) -> float:
        return 75.0

    def _engine(self) -> Iterator[Line]:
        for line in super()._engine():
            if line["kind"] == "run":
                line |= {"facts": {"replicas": self.replicas, "max_unavailable": 0}}
            if line["kind"] != "fault" or line["name"] not in ASKED:
                yield line
                continue
            at = ASKED[line["name"]] + (0.2 if line["what"] == "observed" else 0)
            yield line | {"t": round(at * NS)}

    def _request(
        self, seq: int, at: float, stream: str, endpoint: str, conn: int, pod: Pod, reused: bool
    ) -> Line:
        line = super()._request(seq, at, stream, endpoint, conn, pod, reused)
        good = {"outcome": "ok", "sqlstate": None}
        good |= {"status": 201, "chirp": seq} if endpoint == "create_chirp" else {"status": 200}
        if at >= self.until_s:
            line |= good
        if (pod.release, endpoint) == (self.new, "create_chirp") and seq % 5 < self.bug:
            line |= {"outcome": "http_5xx", "sqlstate": None, "status": 500, "chirp": None}
        return line

    def _pods(self) -> Iterator[Line]:
        yield from super()._pods()
        for at in (0.0, 12.0, 30.0, 40.0):
            told = {"replicas": 4, "updated": 4, "available": 4, "generation": 1, "observed": 1}
            yield self._line("deployment", at, name="chirps", release="v1", conditions=[], **told)
        if self.deadline_s is not None:
            late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
            told = {"replicas": 4, "updated": 4, "available": 3, "generation": 1, "observed": 1}
            line = self._line("deployment", self.deadline_s, name="chirps", release="v1", **told)
            yield line | {"conditions": [late]}
        if self.unready_s is not None:
            yield self._endpoints(self.unready_s, self.pods()[1:3])
            yield self._endpoints(self.unready_s + 1, self.pods())

    def _audit(self, sent: Any) -> Iterator[Line]:
        """Read back through v1, which serves at the end; `audit` spoils what v2 had written."""
        written = {e["ref"] for e in sent if e.get("release") == self.new and e.get("chirp")}
        lines = [line | {"release": "v1"} for line in super()._audit(sent)]
        for line in lines:
            if line["kind"] == "audit" and line["ref"] in written:
                line |= self.audit
        *audited, done = lines
        hidden = sum(e["kind"] == "audit" and e.get("matches") is False for e in audited)
        yield from (*audited, done | {"unreadable": hidden})


def proof(name: str) -> Variant:
    return next(each for each in SCENARIO.proofs if each.name == name)


def undone(variant: Variant, new: str, fails: Fails, **truth: Any) -> Undone:
    versions = ((6, RENAMED_S), (7, BACK_S))
    given = {"versions": versions, "rate": 80, "scenario": SCENARIO}
    return Undone(variant=variant, new=new, fails=fails, **(given | truth))


OLD_CODE_FAILS = failing("v1")


def careless(fails: Fails = OLD_CODE_FAILS, **truth: Any) -> Undone:
    return undone(SCENARIO.careless, "v2-naive", fails, **truth)


def careful(fails: Fails = nothing_fails, **truth: Any) -> Undone:
    return undone(SCENARIO.careful, "v2", fails, **({"versions": ((6, RENAMED_S),)} | truth))


def verdict(truth: Rollout) -> Verdict:
    scenario: Scenario = truth.scenario
    return judge(scenario, truth.variant, truth.history())


def missed(found: Verdict) -> list[str]:
    return [reason.partition(": predicted")[0] for reason in found.reasons]


def test_an_undo_after_which_nobody_is_served_is_reproduced():
    found = verdict(careless())

    assert found.outcome is Outcome.REPRODUCED, found.reasons


def test_the_share_that_fails_is_that_of_the_old_pods_before_and_all_of_it_after():
    checks = {check.name: check for check in verdict(careless()).checks}

    before, after = (checks[f"share that fails {when} the undo"] for when in ("before", "after"))
    assert before.predicted == pytest.approx(3 / 5, abs=0.001)
    assert before.measured == pytest.approx(3 / 5, abs=0.07)
    assert (after.predicted, after.measured) == (1, 1)


@pytest.mark.parametrize(
    ("truth", "reason"),
    [
        ({"fails": nothing_fails}, "more fail after the undo than before the undo"),
        ({"fails": failing("v2-naive")}, "failures are v1 x 42703"),
        ({"fails": failing("v1", "42P01")}, "failures are v1 x 42703"),
        ({"until_s": 40.0}, "share that fails after the undo"),
        ({"until_s": 60.0}, "no failure once the commit of schema version 7 was 2 s ago"),
        ({"unready_s": 45.0}, "enough endpoints are ready all the time"),
        ({"deadline_s": 45.0}, "the rollout is never reported to have failed"),
    ],
    ids=[
        "nothing",
        "the new code",
        "another SQLSTATE",
        "it ended by itself",
        "the rename did not end it",
        "somebody was not ready",
        "the rollout was reported",
    ],
)
def test_an_undo_that_fails_for_another_reason_is_not_reproduced(
    truth: dict[str, Any], reason: str
):
    found = verdict(careless(**truth))

    assert found.outcome is Outcome.NOT_REPRODUCED
    assert reason in missed(found)


def test_a_schema_that_the_old_code_can_use_makes_an_undo_safe():
    found = verdict(careful())

    assert found.outcome is Outcome.PREVENTED, found.reasons
    assert {(row.release, row.sqlstate) for row in found.signature} == {("v2", "")}


@pytest.mark.parametrize(
    ("truth", "reason"),
    [
        ({"fails": failing("v1")}, "nothing fails but v2 x no SQLSTATE"),
        ({"bug": 0}, "nothing fails but v2 x no SQLSTATE"),
        (
            {"audit": {"matches": False}},
            "no write is lost, stored twice or unreadable",
        ),
    ],
    ids=["the old code fails", "there is no bug to undo", "what was written is hidden"],
)
def test_an_undo_is_not_safe_by_half(truth: dict[str, Any], reason: str):
    found = verdict(careful(**truth))

    assert found.outcome is Outcome.NOT_PREVENTED
    assert reason in missed(found)


def test_the_control_is_not_reproduced_and_only_the_bug_fails_in_it():
    good = verdict(undone(proof("control"), "v1b", nothing_fails))
    bad = verdict(undone(proof("control"), "v1b", failing("v1b")))

    assert (good.outcome, good.as_predicted) == (Outcome.NOT_REPRODUCED, True), good.reasons
    assert (bad.outcome, bad.as_predicted) == (Outcome.NOT_REPRODUCED, False)


@pytest.mark.parametrize(
    ("fails", "as_predicted"),
    [(failing("v1"), True), (failing("v1", "57014"), False), (nothing_fails, False)],
    ids=["for the named reason", "for another", "not at all"],
)
def test_the_careful_way_with_a_rename_goes_red(fails: Fails, as_predicted: bool):
    found = verdict(undone(proof("careful-with-a-rename"), "v2-naive", fails))

    assert found.as_predicted is as_predicted, found.reasons


@pytest.mark.parametrize(
    ("audit", "as_predicted"),
    [({"matches": False}, True), ({"readable": False, "matches": None}, False), ({}, False)],
    ids=["out of sight", "cannot be read at all", "not at all"],
)
def test_a_new_release_that_writes_the_new_column_only_is_found_by_the_data(
    audit: dict[str, Any], as_predicted: bool
):
    variant = proof("careful-without-writing-both")
    found = verdict(
        undone(variant, "v2-naive", nothing_fails, versions=((6, RENAMED_S),), audit=audit)
    )

    assert found.as_predicted is as_predicted, found.reasons
    assert {row.release for row in found.signature} == {"v2-naive"}


def test_a_count_ends_where_the_cause_was_taken_away():
    history = careless(until_s=BACK_S).history()
    signature = Signature("v1", "42703", CHIRP_ENDPOINTS)
    since = committed(6)

    ends = as_many_as_predicted(signature, since=since, until=committed(7), stream="fresh")
    never = as_many_as_predicted(signature, since=since, stream="fresh")

    assert ends.judge(history).ok
    assert not never.judge(history).ok


def test_pods_are_counted_that_new_connections_may_meet():
    condition = serving("v2-naive", pods=2)

    def seen_until(seconds: float) -> History:
        return History(e for e in careless().events() if e["t"] <= seconds * NS)

    assert not condition.holds(seen_until(20.9), 0)
    assert condition.holds(seen_until(21.1), 0)
    assert not condition.holds(seen_until(29.1), 0)
