import psycopg
import pytest
from psycopg_pool import PoolClosed

from lab.chirps.failures import explain
from lab.chirps.reach import Reach, code_of


def refused(sqlstate: str) -> psycopg.Error:
    return psycopg.errors.lookup(sqlstate)("no")


@pytest.mark.parametrize(
    "sqlstate", ["53300", "57P01", "57P02", "57P03", "08006", "40P01", "40001", "55P03", "57014"]
)
def test_what_may_succeed_a_moment_later_is_503(sqlstate: str) -> None:
    failure = explain(refused(sqlstate))

    assert (failure.status, failure.sqlstate, failure.retryable) == (503, sqlstate, True)
    assert failure.headers() == {"Retry-After": "1"}


@pytest.mark.parametrize("sqlstate", ["42703", "42P01", "0A000", "23502", "42501", "22P02"])
def test_a_program_that_does_not_fit_its_schema_is_500(sqlstate: str) -> None:
    failure = explain(refused(sqlstate))

    assert (failure.status, failure.sqlstate, failure.retryable) == (500, sqlstate, False)
    assert failure.headers() == {}


@pytest.mark.parametrize("sqlstate", ["23505", "23503", "23514"])
def test_what_contradicts_other_data_is_409(sqlstate: str) -> None:
    assert explain(refused(sqlstate)).status == 409


def test_a_lost_connection_has_no_sqlstate_and_is_503() -> None:
    failure = explain(psycopg.OperationalError("server closed the connection\n\tmore"))

    assert (failure.status, failure.sqlstate) == (503, None)
    assert failure.error == "server closed the connection"


def test_a_closed_pool_is_503() -> None:
    assert explain(PoolClosed("closed")).status == 503


def test_a_mistake_in_the_program_is_500() -> None:
    assert explain(psycopg.ProgrammingError("too many parameters")).status == 500


def test_a_busy_pool_says_that_it_is_busy() -> None:
    failure = explain(Reach().no_connection(2))

    assert (failure.status, failure.sqlstate) == (503, None)
    assert failure.error == "no database connection came free within 2 s"


def test_a_pool_that_cannot_connect_says_why_and_stays_503() -> None:
    reach = Reach('password authentication failed for user "chirps_v1"')

    failure = explain(reach.no_connection(0.5))

    assert (failure.status, failure.sqlstate, failure.retryable) == (503, "28P01", True)
    assert "password authentication failed" in failure.error


@pytest.mark.parametrize(
    "text",
    ["Connection refused", "connection timeout expired", "failed to resolve host 'postgres'"],
)
def test_a_database_that_was_not_reached_has_the_clients_own_code(text: str) -> None:
    failure = explain(Reach(text).no_connection(0.2))

    assert (failure.status, failure.sqlstate, failure.retryable) == (503, "08001", True)


def test_a_refusal_in_words_that_nobody_knows_has_no_code() -> None:
    failure = explain(Reach("no room in this inn", is_refusal=True).no_connection(0.2))

    assert (failure.status, failure.sqlstate) == (503, None)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("sorry, too many clients already", "53300"),
        ("remaining connection slots are reserved for roles with the SUPERUSER attribute", "53300"),
        ('too many connections for role "chirps_v1"', "53300"),
        ("the database system is starting up", "57P03"),
        ("the database system is not yet accepting connections", "57P03"),
        ('role "chirps_v3" does not exist', "28000"),
        ('database "chirps" does not exist', "3D000"),
        ("Connection refused", None),
    ],
)
def test_the_sqlstate_of_a_refused_connection_is_known_by_its_text(
    text: str, code: str | None
) -> None:
    assert code_of(text) == code
