"""Whom one may end, and what is typed for it."""

from dataclasses import replace

import pytest

from lab.chirps.operator.advice import Advice, advise, of_prepared
from lab.chirps.operator.identity import Identity, Kind, identify
from lab.chirps.operator.sessions import HIDDEN, Session, shortened

READER = Session(
    pid=7,
    application_name="psql",
    role="analyst",
    address="10.0.0.7",
    is_here=True,
    backend="client backend",
    state="active",
    state_s=40,
    query_s=40,
    transaction_s=40,
    query_start="2026-01-01 00:00:00+00",
    query="SELECT 1",
    has_written=False,
    blocked_by=[],
)
IDLE = "idle in transaction"


def test_a_query_that_has_written_nothing_may_be_cancelled() -> None:
    advice = advise(READER)

    assert advice.is_safe
    assert advice.statement == "SELECT pg_cancel_backend(7);"


def test_a_query_that_has_written_may_not_be_ended_without_a_thought() -> None:
    advice = advise(replace(READER, has_written=True))

    assert advice.is_safe is False
    assert "undone" in advice.because


def test_an_idle_transaction_is_terminated_because_a_cancel_does_nothing_to_it() -> None:
    advice = advise(replace(READER, state=IDLE))

    assert advice.is_safe
    assert advice.statement == "SELECT pg_terminate_backend(7);"


def test_a_forgotten_transaction_of_a_release_is_called_so() -> None:
    session = replace(READER, state=IDLE, application_name="chirps/v1/pod-1", has_written=True)

    advice = advise(session)

    assert advice.is_safe is False
    assert "release v1 leaves no transaction open" in advice.because


def test_what_has_failed_cannot_commit_and_may_go() -> None:
    assert advise(replace(READER, state="idle in transaction (aborted)", has_written=True)).is_safe


@pytest.mark.parametrize("state", ["active", IDLE])
def test_a_migration_is_never_called_safe(state: str) -> None:
    advice = advise(replace(READER, application_name="chirps-migrate/v2/job", state=state))

    assert advice.is_safe is False
    assert "it is a migration" in advice.because


def test_what_is_hidden_is_not_judged() -> None:
    assert advise(replace(READER, query=HIDDEN, state=None)).is_safe is None


def test_an_autovacuum_may_go_unless_it_prevents_wraparound() -> None:
    vacuum = replace(READER, backend="autovacuum worker", query="autovacuum: VACUUM chirps")

    assert advise(vacuum).is_safe
    pressing = replace(vacuum, query="autovacuum: VACUUM chirps (to prevent wraparound)")
    assert advise(pressing).is_safe is False


@pytest.mark.parametrize(
    "session", [replace(READER, backend="walsender"), replace(READER, state="idle")]
)
def test_what_is_no_plain_transaction_of_a_client_is_not_judged(session: Session) -> None:
    assert advise(session).is_safe is None


def test_a_prepared_transaction_is_ended_by_its_name() -> None:
    assert of_prepared() == Advice(False, of_prepared().because, of_prepared().statement)
    assert "ROLLBACK PREPARED" in of_prepared().statement


@pytest.mark.parametrize(
    ("application", "role", "identity"),
    [
        ("chirps/v2-naive/pod-1", "anybody", Identity(Kind.SERVICE, "v2-naive", "pod-1")),
        ("chirps-migrate/v2/job", "chirps_migrate", Identity(Kind.MIGRATION, "v2", "job")),
        ("chirps-ask/v2/pod", "chirps_v2", Identity(Kind.QUESTION, "v2", "pod")),
        ("psql", "chirps_v2_naive", Identity(Kind.SERVICE, "v2-naive")),
        ("psql", "chirps_migrate", Identity(Kind.OTHER)),
        ("psql", None, Identity(Kind.OTHER)),
        ("chirps/v2", "postgres", Identity(Kind.OTHER)),
        ("chirps/v2/", "chirps_v2", Identity(Kind.SERVICE, "v2")),
        ("", "chirps_app", Identity(Kind.OTHER)),
    ],
)
def test_a_session_is_known_by_its_name_or_else_by_its_role(
    application: str, role: str | None, identity: Identity
) -> None:
    assert identify(application, role) == identity


def test_a_long_query_is_told_on_one_short_line() -> None:
    told = shortened("SELECT\n  1" + " + 1" * 100)

    assert told.startswith("SELECT 1 + 1")
    assert len(told) == 101
