"""What every answer carries, and what a client is told about a failure."""

import asyncio
import logging

import psycopg
import pytest

from lab.chirps.app import make_app
from lab.chirps.state import State
from tests.chirps.asgi import call
from tests.chirps.service import ask, make_state

IDENTITY = {
    "x-chirps-version": "v1b",
    "x-chirps-pod": "chirps-7d9f-abcde",
    "x-chirps-node": "n3",
    "x-chirps-draining": "false",
}
UNDEFINED_COLUMN = psycopg.errors.UndefinedColumn('column "body" does not exist')

EVERY_KIND = [
    (200, "GET", "/page"),
    (200, "GET", "/livez"),
    (503, "GET", "/readyz"),
    (503, "GET", "/startupz"),
    (200, "GET", "/version"),
    (200, "GET", "/metrics"),
    (500, "GET", "/chirps"),
    (400, "GET", "/chirps?sort=up"),
    (401, "POST", "/chirps"),
    (404, "GET", "/nowhere"),
    (404, "GET", "/page/"),
    (405, "PATCH", "/chirps"),
    (405, "POST", "/livez"),
]


@pytest.mark.parametrize(("status", "method", "target"), EVERY_KIND)
def test_every_answer_says_who_gave_it(status: int, method: str, target: str) -> None:
    state = make_state(UNDEFINED_COLUMN)
    state.schema.learn(6, 0)

    answer = ask(state, method, target)

    assert answer.status == status
    assert answer.headers.items() >= {**IDENTITY, "x-chirps-schema": "6"}.items()
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize(("status", "method", "target"), EVERY_KIND)
def test_every_answer_says_when_the_pod_is_leaving(status: int, method: str, target: str) -> None:
    state = make_state(UNDEFINED_COLUMN)
    state.drain.begin(1)

    answer = ask(state, method, target)

    assert answer.headers["x-chirps-draining"] == "true"
    assert answer.headers["connection"] == "close"


def test_a_pod_that_stays_does_not_close_the_connection() -> None:
    assert "connection" not in ask(make_state(), "GET", "/page").headers


def test_the_schema_header_is_empty_while_the_version_is_unknown() -> None:
    assert ask(make_state(), "GET", "/page").headers["x-chirps-schema"] == ""


def test_the_clients_request_id_comes_back() -> None:
    answer = ask(make_state(), "GET", "/page", headers={"X-Request-Id": "run-7/12"})

    assert answer.headers["x-request-id"] == "run-7/12"


@pytest.mark.parametrize("value", ["", "two words", "x" * 129, "a\tb"])
def test_a_request_id_that_cannot_be_echoed_is_replaced(value: str) -> None:
    answer = ask(make_state(), "GET", "/page", headers={"X-Request-Id": value})

    assert answer.headers["x-request-id"] not in (value, "")


def test_a_failure_of_the_database_is_told_with_its_sqlstate() -> None:
    answer = ask(make_state(UNDEFINED_COLUMN), "GET", "/chirps")

    assert answer.status == 500
    assert answer.json() == {
        "error": 'column "body" does not exist',
        "sqlstate": "42703",
        "retryable": False,
    }


def test_a_client_is_told_when_to_come_back() -> None:
    answer = ask(make_state(psycopg.OperationalError("gone")), "GET", "/chirps/1")

    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert answer.json() == {"error": "gone", "sqlstate": None, "retryable": True}


@pytest.mark.parametrize(
    ("status", "method", "target"),
    [each for each in EVERY_KIND if each[0] in (400, 401, 404, 405)],
)
def test_every_error_has_the_same_form(status: int, method: str, target: str) -> None:
    answer = ask(make_state(), method, target)

    assert answer.headers["content-type"] == "application/json"
    assert answer.json().keys() == {"error", "sqlstate", "retryable"}


def test_a_bug_is_answered_in_the_same_form_and_raised_for_the_log() -> None:
    app = make_app(make_state(ZeroDivisionError("a bug")))
    sent = []

    async def once() -> None:
        async def keep(scope, receive, send):  # type: ignore[no-untyped-def]
            async def keep_sent(message):  # type: ignore[no-untyped-def]
                sent.append(message)
                await send(message)

            await app(scope, receive, keep_sent)

        await call(keep, "GET", "/chirps")

    with pytest.raises(ZeroDivisionError):
        asyncio.run(once())

    assert sent[0]["status"] == 500
    assert (b"x-chirps-version", b"v1b") in sent[0]["headers"]
    assert b'"sqlstate":null' in sent[1]["body"]


def requests_logged(state: State, caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    with caplog.at_level(logging.DEBUG, "lab.chirps"):
        ask(state, "GET", "/chirps")
    return [record for record in caplog.records if record.getMessage() == "request"]


def test_a_failed_request_is_a_warning_with_release_and_sqlstate(
    caplog: pytest.LogCaptureFixture,
) -> None:
    (record,) = requests_logged(make_state(UNDEFINED_COLUMN), caplog)

    assert record.levelno == logging.WARNING
    told = (record.release, record.sqlstate, record.endpoint, record.status)  # type: ignore[attr-defined]
    assert told == ("v1b", "42703", "list_chirps", 500)


def test_a_good_request_is_only_for_who_debugs(caplog: pytest.LogCaptureFixture) -> None:
    (record,) = requests_logged(make_state([]), caplog)

    assert record.levelno == logging.DEBUG


def test_answers_are_counted_by_endpoint_status_and_sqlstate() -> None:
    state = make_state([], UNDEFINED_COLUMN, UNDEFINED_COLUMN)
    for target in ("/chirps", "/chirps", "/chirps/7", "/nowhere"):
        ask(state, "GET", target)

    assert state.tally.answers == {
        ("list_chirps", 200, ""): 1,
        ("list_chirps", 500, "42703"): 1,
        ("get_chirp", 500, "42703"): 1,
        ("unknown", 404, ""): 1,
    }
    assert state.tally.in_flight == 0
