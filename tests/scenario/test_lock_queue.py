"""Lock queue: its verdicts on queues with known truth."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from lab import content
from lab.scenario import loader, queues
from lab.scenario.checks_queue import is_at_the_head
from lab.scenario.effects import session_gone
from lab.scenario.events import NS
from lab.scenario.evidence import MissingEvidence, Window
from lab.scenario.history import History
from lab.scenario.judge import judge
from lab.scenario.model import CHIRP_ENDPOINTS, Variant
from lab.scenario.verdict import Outcome, Verdict
from tests.scenario.histories import NEVER, Line, Pod, Rollout

SCENARIO = loader.load(content.folder("scenarios"), "lock-queue").scenario
ANALYST = "analyst/evaluation"
MIGRATION = "chirps-migrate/v1/migrate-1"
USERS = ("create_user", "create_session")
TIMEOUT_S = 3.0

Wait = tuple[float, float]
"""From when to when somebody waited, in seconds."""


@dataclass(frozen=True)
class Queued(Rollout):
    """Nothing is rolled out. In each of `waits` everybody waits, to be served at its end.

    `stands` are the endpoints that get no answer meanwhile, `roots` who is first in the queue.
    """

    waits: Sequence[Wait] = ((10.0, 28.0),)
    evaluation: Wait = (8.0, 28.0)
    stands: Sequence[str] = (*CHIRP_ENDPOINTS, *USERS)
    roots: Sequence[str] = (ANALYST,)
    gives_up: str = "read_timeout"
    sqlstate: str | None = None
    drain_s: float = 0.3

    def pods(self) -> list[Pod]:
        return [Pod(f"old-{n}", "v1", -10, NEVER, NEVER) for n in range(self.replicas)]

    @property
    def verify_s(self) -> float:
        return 55.0

    def _request(
        self, seq: int, at: float, stream: str, endpoint: str, conn: int, pod: Pod, reused: bool
    ) -> Line:
        line = super()._request(seq, at, stream, endpoint, conn, pod, reused)
        until = next((end for begin, end in self.waits if begin <= at < end), None)
        if until is None or endpoint not in self.stands:
            return line
        served_s = until + self.drain_s - at
        if served_s < TIMEOUT_S:
            return line | {"done": round((at + served_s) * NS)}
        failed = {"outcome": self.gives_up, "sqlstate": self.sqlstate, "chirp": None}
        if self.gives_up == "read_timeout":
            failed |= {"status": None, "release": None, "pod": None}
        else:
            failed |= {"status": 503}
        if endpoint != "create_chirp":
            del failed["chirp"]
        return line | {"done": round((at + TIMEOUT_S) * NS)} | failed

    def _samples(self) -> Iterator[Line]:
        begin, end = self.evaluation
        for line in super()._samples():
            at = line["t"] / NS
            sessions = [{"application": ANALYST, "state": "active", "count": 1}]
            since = next((a for a, b in self.waits if a <= at < b), None)
            blockers = [{"pid": 7, "application": root, "waits": False} for root in self.roots]
            queue: Line = {"blocked": 0, "longest_wait_s": 0.0, "blockers": []}
            if since is not None:
                blockers += [{"pid": 8, "application": MIGRATION, "waits": True}]
                queue = {"blocked": 33, "longest_wait_s": at - since, "blockers": blockers}
            yield line | queue | {"sessions": sessions if begin <= at < end else []}


def proof(name: str) -> Variant:
    return next(each for each in SCENARIO.proofs if each.name == name)


def queued(variant: Variant, **truth: Any) -> Queued:
    return Queued(
        SCENARIO, variant, **({"new": "v1", "rate": 60, "versions": ((6, 28.0),)} | truth)
    )


def verdict(truth: Rollout) -> Verdict:
    return judge(SCENARIO, truth.variant, truth.history())


def careless(**truth: Any) -> Queued:
    return queued(SCENARIO.careless, **truth)


TRIES: Sequence[Wait] = ((10.0, 11.0), (11.4, 12.4), (13.2, 14.2), (16.0, 17.0), (22.0, 23.0))


def careful(**truth: Any) -> Queued:
    given = {"waits": TRIES, "versions": ((6, 33.0),), "gives_up": "http_5xx"}
    return queued(SCENARIO.careful, **(given | truth))


def test_a_site_that_stands_still_behind_a_select_is_reproduced():
    found = verdict(careless())

    assert found.outcome is Outcome.REPRODUCED, found.reasons
    assert {row.outcome for row in found.signature} == {"read_timeout"}


@pytest.mark.parametrize(
    ("truth", "missed"),
    [
        ({"roots": (MIGRATION,)}, "stall of list_chirps, get_chirp, create_chirp"),
        ({"roots": (ANALYST, "backup")}, f"{ANALYST} is at the head of the queue"),
        ({"stands": CHIRP_ENDPOINTS}, "stall of create_user, create_session"),
        ({"stands": (*CHIRP_ENDPOINTS, *USERS, "page")}, "unharmed: page"),
        ({"gives_up": "http_5xx", "sqlstate": "55P03"}, "nothing is refused, only late"),
        ({"waits": ((10.0, 36.0),)}, "stall of list_chirps, get_chirp, create_chirp"),
        (
            {"waits": ((10.0, 20.0),)},
            "stall of list_chirps, get_chirp, create_chirp",
        ),
        (
            {"versions": ((6, 24.0),)},
            f"the commit of schema version 6 follows the end of session {ANALYST}",
        ),
    ],
    ids=[
        "behind the migration",
        "behind another session too",
        "chirps only",
        "the page too",
        "refused",
        "much longer than the session",
        "over before the session",
        "committed before its end",
    ],
)
def test_a_site_that_stands_still_for_another_reason_is_not_reproduced(
    truth: dict[str, Any], missed: str
):
    found = verdict(careless(**truth))

    assert found.outcome is Outcome.NOT_REPRODUCED
    assert missed in [reason.partition(": predicted")[0] for reason in found.reasons]


def test_a_wait_that_is_hardly_longer_than_a_slow_answer_proves_nothing():
    short = {"waits": ((23.0, 28.0),), "evaluation": (8.0, 28.0)}

    found = verdict(careless(**short))

    assert found.outcome is Outcome.INVALID
    assert any("too short" in reason for reason in found.reasons)


def test_a_lock_that_is_given_up_after_a_second_is_prevented():
    found = verdict(careful())

    assert found.outcome is Outcome.PREVENTED, found.reasons


@pytest.mark.parametrize(
    ("truth", "missed"),
    [
        ({"waits": ((10.0, 11.9),)}, "longest stall of"),
        ({"waits": ((10.0, 14.5),)}, "no failure"),
        ({"waits": ()}, f"{ANALYST} is at the head of the queue"),
        ({"versions": ((6, 45.0),)}, "the commit of schema version 6"),
        ({"versions": ((6, 20.0),)}, "the commit of schema version 6"),
    ],
    ids=["held up for longer", "given up by users", "never met", "much later", "too early"],
)
def test_it_is_not_prevented_by_half(truth: dict[str, Any], missed: str):
    found = verdict(careful(**truth))

    assert found.outcome is Outcome.NOT_PREVENTED
    assert any(reason.startswith(missed) for reason in found.reasons), found.reasons


def test_the_control_is_not_reproduced_and_nothing_fails_in_it():
    found = verdict(queued(proof("control"), waits=(), versions=((6, 10.2),), rate=80))

    assert (found.outcome, found.as_predicted) == (Outcome.NOT_REPRODUCED, True), found.reasons


def test_without_the_limit_the_careful_way_goes_red_for_the_named_reason():
    found = verdict(queued(proof("careful-without-lock-timeout"), gives_up="http_5xx"))

    assert (found.outcome, found.as_predicted) == (Outcome.NOT_PREVENTED, True), found.reasons


def test_another_red_of_the_careful_way_is_no_proof():
    refused = {"gives_up": "http_5xx", "sqlstate": "42703"}

    assert not verdict(queued(proof("careful-without-lock-timeout"), **refused)).as_predicted


def sample(at_s: float, **fields: Any) -> Line:
    t = round(at_s * NS)
    return {"kind": "db", "t": t, "sent": t - 10_000_000, "sessions": [], **fields}


def waiting(at_s: float, since_s: float, *blockers: tuple[str | None, bool]) -> Line:
    told = [{"pid": n, "application": a, "waits": w} for n, (a, w) in enumerate(blockers)]
    return sample(at_s, blocked=2, longest_wait_s=at_s - since_s, blockers=told)


EVER = Window(0, 10**12)


def test_who_blocks_and_waits_himself_is_not_at_the_head():
    history = History([waiting(5, 4, (MIGRATION, True), (ANALYST, False))])

    (found,) = queues.queues(history, EVER)

    assert found.roots == (ANALYST,)
    assert abs(found.since - 4 * NS) <= found.bound + 5_000_000


def test_who_has_gone_meanwhile_is_nobody():
    (found,) = queues.queues(History([waiting(5, 4, (None, False))]), EVER)

    assert found.roots == ()


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [{"kind": "db", "t": 1, "sent": 0, "error": "timeout"}],
        [sample(5, blocked=1, longest_wait_s=1, blockers=[{"pid": 1, "application": "x"}])],
    ],
    ids=["no sample", "no answer", "samples that do not tell who waits"],
)
def test_where_nobody_knows_who_waits_nothing_is_concluded(lines: list[Line]):
    with pytest.raises(MissingEvidence):
        queues.queues(History(lines), EVER)


def test_samples_in_which_nobody_waits_are_no_queue():
    quiet = History([sample(5, blocked=0, longest_wait_s=0, blockers=[])])

    assert queues.behind(quiet, EVER, ANALYST) is None


def test_the_end_of_a_session_is_between_two_samples():
    there = [{"application": ANALYST, "state": "active", "count": 1}]
    lines = [sample(1, sessions=there), sample(2, sessions=there), sample(3), sample(4)]
    lines.insert(2, {"kind": "db", "t": round(2.5 * NS), "sent": 0, "error": "timeout"})

    gone = session_gone(ANALYST)

    assert gone.at(History(lines)) == round(2.5 * NS)
    assert gone.bound(History(lines)) == round(0.5 * NS)


@pytest.mark.parametrize("lines", [[], [sample(1)]], ids=["no sample", "never there"])
def test_the_end_of_a_session_that_was_not_seen_is_not_made_up(lines: list[Line]):
    with pytest.raises(MissingEvidence):
        session_gone(ANALYST).at(History(lines))


def test_a_check_of_the_head_is_named_after_it():
    assert is_at_the_head(ANALYST).name == f"{ANALYST} is at the head of the queue"
