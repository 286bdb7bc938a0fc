"""What may be asked, and what reaches the database of it."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest

from lab.chirps.chirp import Sort
from lab.chirps.passwords import hash_password
from lab.chirps.releases import v1
from tests.chirps.service import ask, make_state

REF = "6f1c2d7a-93a1-4c5b-8a53-0d9d3a6f2b11"
AT = datetime(2026, 2, 1, 12, tzinfo=UTC)
ROW = (7, 3, "hello", UUID(REF), AT)
CHIRP = {
    "id": 7,
    "author_id": 3,
    "body": "hello",
    "client_ref": REF,
    "created_at": "2026-02-01T12:00:00+00:00",
}
USER = (3, "user3@example.com", False)


def test_a_list_has_twenty_of_the_oldest_chirps_unless_asked_otherwise() -> None:
    state = make_state([ROW])

    answer = ask(state, "GET", "/chirps")

    assert (answer.status, answer.json()) == (200, [CHIRP])
    assert state.database.asked == [(v1.LIST[Sort.ASC], {"author_id": None, "limit": 20})]


def test_a_list_of_an_author_newest_first() -> None:
    state = make_state([])

    ask(state, "GET", "/chirps?author_id=3&sort=desc&limit=100")

    wanted = (v1.LIST_OF_AUTHOR[Sort.DESC], {"author_id": 3, "limit": 100})
    assert state.database.asked == [wanted]


@pytest.mark.parametrize(
    "query",
    [
        "author_id=me",
        "author_id=0",
        "author_id=-1",
        "author_id=9223372036854775808",
        "author_id=",
        "sort=newest",
        "limit=0",
        "limit=101",
        "limit=many",
    ],
)
def test_a_list_that_makes_no_sense_is_refused_without_the_database(query: str) -> None:
    state = make_state()

    answer = ask(state, "GET", f"/chirps?{query}")

    assert answer.status == 400
    assert state.database.asked == []


def test_a_chirp_is_found_by_its_id() -> None:
    assert ask(make_state([ROW]), "GET", "/chirps/7").json() == CHIRP


@pytest.mark.parametrize("chirp", ["0", "x", "-1", "9" * 30, "9" * 5000, "7/8", "%00"])
def test_an_id_that_no_chirp_can_have_is_not_found(chirp: str) -> None:
    assert ask(make_state(), "GET", f"/chirps/{chirp}").status == 404


def test_a_chirp_that_is_not_there_is_not_found() -> None:
    assert ask(make_state([]), "GET", "/chirps/8").status == 404


def test_a_chirp_is_created_for_who_calls() -> None:
    state = make_state([ROW])

    answer = ask(state, "POST", "/chirps", {"body": "hello", "client_ref": REF}, user=3)

    assert (answer.status, answer.json()) == (201, CHIRP)
    given = {"author_id": 3, "body": "hello", "client_ref": UUID(REF)}
    assert state.database.asked == [(v1.CREATE, given)]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"hello"',
        b"\xff",
        b"[" * 20_000,
        {},
        {"body": ""},
        {"body": None},
        {"body": 7},
        {"body": "x" * 141},
        {"body": "zero \0"},
        b'{"body": "half \\ud83d"}',
        {"body": "x", "client_ref": "7"},
        {"body": "x", "client_ref": 7},
        {"body": "x", "client_ref": [REF]},
    ],
)
def test_a_chirp_that_cannot_be_stored_is_refused_without_the_database(body: Any) -> None:
    state = make_state()

    answer = ask(state, "POST", "/chirps", body, user=3)

    assert answer.status == 400
    assert state.database.asked == []


def test_a_chirp_may_have_140_characters_of_any_kind() -> None:
    state = make_state([ROW])

    assert ask(state, "POST", "/chirps", {"body": "🐦" * 140}, user=3).status == 201


def test_a_body_that_is_too_large_is_not_read_to_its_end() -> None:
    assert ask(make_state(), "POST", "/chirps", b" " * 70_000, user=3).status == 413


@pytest.mark.parametrize("token", ["", "Bearer", "Bearer 3", "Bearer user-x", "Basic user-3"])
@pytest.mark.parametrize(
    ("method", "target"),
    [("POST", "/chirps"), ("DELETE", "/chirps/7"), ("PUT", "/users"), ("DELETE", "/sessions")],
)
def test_who_does_not_say_who_they_are_is_turned_away(method: str, target: str, token: str) -> None:
    answer = ask(make_state(), method, target, {"body": "x"}, headers={"Authorization": token})

    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")


def test_only_own_chirps_are_deleted() -> None:
    state = make_state([(7,)], [])

    assert ask(state, "DELETE", "/chirps/7", user=3).status == 204
    assert ask(state, "DELETE", "/chirps/7", user=4).status == 404
    assert state.database.asked == [(v1.DELETE, (7, 3)), (v1.DELETE, (7, 4))]


def test_a_user_is_created_with_a_hash_and_not_with_a_password() -> None:
    state = make_state([USER])

    answer = ask(state, "POST", "/users", {"email": "user3@example.com", "password": "lab"})

    assert answer.status == 201
    assert answer.json() == {"id": 3, "email": "user3@example.com", "is_member": False}
    (asked,) = state.database.asked
    assert asked[1] == {"email": "user3@example.com", "password": hash_password("lab")}


def test_an_email_that_is_taken_is_a_conflict() -> None:
    state = make_state(psycopg.errors.UniqueViolation("duplicate key"))

    assert ask(state, "POST", "/users", {"email": "a@example.com"}).status == 409


def test_a_user_changes_only_what_is_given() -> None:
    state = make_state([USER])

    assert ask(state, "PUT", "/users", {"email": "new@example.com"}, user=3).status == 200
    (asked,) = state.database.asked
    assert asked[1] == {"id": 3, "email": "new@example.com", "password": None}


def test_a_user_who_is_not_there_cannot_be_changed() -> None:
    assert ask(make_state([]), "PUT", "/users", {}, user=3).status == 404


def test_a_session_gives_the_token_of_the_user() -> None:
    state = make_state([(*USER, hash_password("lab"))], [("token",)])

    answer = ask(state, "POST", "/sessions", {"email": "user3@example.com", "password": "lab"})

    assert answer.status == 201
    assert answer.json()["token"] == "user-3"
    assert answer.json()["user"]["email"] == "user3@example.com"


@pytest.mark.parametrize("found", [[], [(*USER, hash_password("other"))], [(*USER, "unset")]])
def test_wrong_password_and_unknown_user_look_the_same(found: list[Any]) -> None:
    body = {"email": "user3@example.com", "password": "lab"}

    answer = ask(make_state(found), "POST", "/sessions", body)

    assert (answer.status, answer.json()["error"]) == (401, "no user has this email and password")


def test_ending_all_sessions_is_no_error_when_there_is_none() -> None:
    assert ask(make_state([]), "DELETE", "/sessions", user=3).status == 204


PARTNER = {"Authorization": "Bearer partner"}


def test_the_partner_makes_a_user_a_member() -> None:
    state = make_state([(3,)])
    notice = {"event": "user.upgraded", "user_id": 3}

    assert ask(state, "POST", "/notices", notice, headers=PARTNER).status == 204
    assert state.database.asked[0][1] == (3,)


def test_a_notice_of_another_kind_is_accepted_and_left() -> None:
    state = make_state()

    assert ask(state, "POST", "/notices", {"event": "user.paid"}, headers=PARTNER).status == 204
    assert state.database.asked == []


@pytest.mark.parametrize("user", [3, None, "x", -1])
def test_a_notice_of_a_user_who_is_not_there_is_told(user: Any) -> None:
    notice = {"event": "user.upgraded", "user_id": user}

    assert ask(make_state([]), "POST", "/notices", notice, headers=PARTNER).status == 404


def test_nobody_but_the_partner_sends_notices() -> None:
    notice = {"event": "user.upgraded", "user_id": 3}

    assert ask(make_state(), "POST", "/notices", notice, user=3).status == 401


def test_the_page_needs_no_database() -> None:
    state = make_state()

    answer = ask(state, "GET", "/page")

    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert b"Release v1b" in answer.body
    assert state.database.asked == []
