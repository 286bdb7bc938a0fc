"""A user's session over a service of two releases at once."""

import asyncio
from typing import Any

from tests.observer.loading import Lines, load, of_kind, spec
from tests.observer.service import Behave, Line, Received, answer, serving

ROUTE = ["page", "create_session", "list_chirps", "get_chirp", "create_chirp", "read_back"]


class Mixed:
    """Answers by turns as v1 and as v2; `keep` decides what is stored of a chirp."""

    def __init__(self, keep: Any = lambda chirp: chirp) -> None:
        self._keep = keep
        self._chirps: dict[str, Any] = {}
        self._turn = 0

    async def __call__(self, received: Received, line: Line) -> None:
        self._turn += 1
        release = "v1" if self._turn % 2 else "v2"
        if received.method == "POST" and received.path == "/chirps":
            number = len(self._chirps) + 900_000
            chirp = {"id": number, **received.content}
            self._chirps[f"/chirps/{number}"] = self._keep(dict(chirp))
            await line.send(answer(201, chirp, release=release))
        elif received.path in self._chirps and self._chirps[received.path] is None:
            await line.send(answer(404, {"error": "no chirp"}, release=release))
        else:
            content = self._chirps.get(received.path, {})
            await line.send(answer(200, content, release=release))


def sessions(behave: Behave, count: int) -> Lines:
    async def scenario() -> Lines:
        async with serving(behave) as service:
            wanted = spec(service.url, sessions_per_s=1000)
            return of_kind(await load(wanted, 0, sessions=count), "session")

    return asyncio.run(scenario())


def test_a_session_posts_and_reads_back_over_two_releases() -> None:
    (session,) = sessions(Mixed(), 1)

    assert session["ok"] is True
    assert session["failed_step"] is None
    assert [step["endpoint"] for step in session["steps"]] == ROUTE
    assert [step["release"] for step in session["steps"]] == ["v1", "v2"] * 3
    assert session["pair"] == ["v1", "v2"]
    assert session["ref"]
    assert session["chirp"] == 900_000


def test_each_session_has_one_line_in_order() -> None:
    found = sessions(Mixed(), 20)

    assert [session["seq"] for session in found] == list(range(20))
    assert len({session["ref"] for session in found}) == 20
    assert all(session["t"] < session["done"] for session in found)


def test_a_post_that_cannot_be_read_fails_the_session() -> None:
    (session,) = sessions(Mixed(lambda _: None), 1)

    assert (session["ok"], session["failed_step"]) == (False, "read_back")
    assert session["steps"][-1]["outcome"] == "http_4xx"


def test_a_post_that_reads_differently_fails_the_session() -> None:
    (session,) = sessions(Mixed(lambda chirp: {**chirp, "body": None}), 1)

    assert (session["ok"], session["failed_step"]) == (False, "read_back")
    assert session["steps"][-1]["outcome"] == "mismatch"


def test_an_acknowledgement_without_id_cannot_be_read_back() -> None:
    async def forgetful(_: Received, line: Line) -> None:
        await line.send(answer(201, {}))

    (session,) = sessions(forgetful, 1)

    assert (session["ok"], session["failed_step"], session["chirp"]) == (False, "read_back", None)


def test_a_session_ends_with_its_first_failure() -> None:
    async def broken(received: Received, line: Line) -> None:
        failed = received.path.startswith("/chirps?")
        await line.send(answer(500, {"sqlstate": "42703"}) if failed else answer())

    (session,) = sessions(broken, 1)

    assert session["failed_step"] == "list_chirps"
    assert [step["endpoint"] for step in session["steps"]] == ROUTE[:3]
    assert session["steps"][-1] == {
        "endpoint": "list_chirps",
        "outcome": "http_5xx",
        "status": 500,
        "release": "v1",
        "pod": "chirps-v1-1",
        "sqlstate": "42703",
    }
    # Nothing was posted, so the ledger has nothing to look for.
    assert session["ref"] is None


def test_a_session_without_an_answer_has_no_pair() -> None:
    async def dead(_: Received, line: Line) -> None:
        line.reset()

    (session,) = sessions(dead, 1)

    assert (session["failed_step"], session["pair"]) == ("page", None)
    assert session["steps"][0]["outcome"] == "reset"
