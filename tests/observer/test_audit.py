"""The write ledger: what was acknowledged, what is stored, what can be read."""

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any

import pytest

from lab.observer.audit import auditor, ledger
from lab.observer.audit.ledger import Finding, ReadBack, Stored, Write
from lab.observer.audit.readback import AT_ONCE, TRIES, read_back
from lab.observer.operations import chirp_body
from lab.observer.transport import Transport
from tests.observer.loading import Lines, load, of_kind, spec
from tests.observer.service import Behave, Line, Received, answer, serving


class Store:
    """A service and what it keeps: it forgets one of `forgets` chirps that it acknowledged."""

    def __init__(self, *, forgets: int = 0, doubles: int = 0) -> None:
        self._forgets = forgets
        self._doubles = doubles
        self.taken = 0
        self.rows: list[dict[str, Any]] = []

    async def __call__(self, received: Received, line: Line) -> None:
        if received.method == "POST":
            await self.take(received.content)
            await line.send(answer(201, {"id": self.taken}))
            return
        number = int(received.path.rpartition("/")[2])
        found = next((row for row in self.rows if row["id"] == number), None)
        await line.send(answer(200, found) if found else answer(404))

    async def take(self, content: dict[str, Any]) -> None:
        self.taken += 1
        if self._forgets and self.taken % self._forgets == 0:
            return
        self.rows.append({"id": self.taken, **content})
        if self._doubles and self.taken % self._doubles == 0:
            self.rows.append({"id": self.taken + 1_000_000, **content})

    async def stored(self, refs: Any) -> Mapping[str, Stored]:
        found = {}
        for ref in refs:
            numbers = [row["id"] for row in self.rows if row["client_ref"] == ref]
            if numbers:
                found[ref] = Stored(tuple(sorted(numbers)))
        return found


def audited(behave: Behave, store: Store, count: int) -> Lines:
    """Return the audit's lines after `count` creates."""

    async def scenario() -> Lines:
        async with serving(behave) as service:
            wanted = spec(
                service.url,
                rate=500,
                mix={"create_chirp": 1},
                in_flight_cap=count,
            )
            told = [
                json.dumps(line, separators=(",", ":")).encode()
                for line in await load(wanted, count)
            ]
            lines: Lines = []
            transport = Transport(service.url, kept=0, connect_timeout_s=30, total_timeout_s=30)
            await auditor.audit(
                told,
                lines.append,
                stored=store.stored,
                read_through=lambda refs: read_back(
                    transport, refs, run="r1", start=time.monotonic_ns(), per_s=5000
                ),
            )
            return lines

    return asyncio.run(scenario())


def test_one_write_of_many_that_is_dropped_is_found() -> None:
    store = Store(forgets=200)

    *lines, done = audited(store, store, 200)

    assert store.taken == 200
    assert {**done, "t": 0} == {
        "kind": "audit_done",
        "t": 0,
        "acked": 200,
        "stored": 199,
        "lost": 1,
        "ambiguous": 0,
        "duplicated": 0,
        "unreadable": 0,
        "unread": 0,
    }
    (lost,) = [line for line in lines if line["acked"] and not line["stored"]]
    assert lost["ref"] not in {row["client_ref"] for row in store.rows}
    assert lost["chirp"] == 200
    # There is nothing to read.
    assert lost["readable"] is None
    assert sum(line["readable"] is True and line["matches"] is True for line in lines) == 199


def test_a_write_that_is_stored_twice_is_found() -> None:
    store = Store(doubles=50)

    *lines, done = audited(store, store, 100)

    assert (done["duplicated"], done["lost"], done["unreadable"]) == (2, 0, 0)
    assert sorted(line["stored"] for line in lines) == [1] * 98 + [2] * 2


def test_a_write_whose_answer_was_lost_is_ambiguous_if_stored() -> None:
    store = Store()

    async def drops_answers(received: Received, line: Line) -> None:
        if received.method == "GET" or store.taken % 2:
            await store(received, line)
            return
        # Stored or not, and nobody is told.
        if store.taken % 4 == 0:
            await store.take(received.content)
        else:
            store.taken += 1
        line.reset()

    *lines, done = audited(drops_answers, store, 40)

    assert (done["acked"], done["lost"], done["ambiguous"]) == (20, 0, 10)
    assert {line["readable"] for line in lines if not line["acked"]} == {None}


@pytest.mark.parametrize("told", [{"id": 1}, {"id": 900}, {"id": "20"}, {}])
def test_a_write_that_was_acknowledged_with_a_wrong_id_is_found(told: dict[str, Any]) -> None:
    store = Store()

    async def mistaken(received: Received, line: Line) -> None:
        if received.method == "GET" or store.taken != 19:
            await store(received, line)
            return
        await store.take(received.content)
        await line.send(answer(201, told))

    *lines, done = audited(mistaken, store, 30)

    assert (done["acked"], done["stored"], done["unreadable"]) == (30, 30, 1)
    assert (done["lost"], done["duplicated"], done["unread"]) == (0, 0, 0)
    (wrong,) = [line for line in lines if line["matches"] is not True]
    assert wrong["chirp"] == told.get("id")
    # The row itself is well, and is there for whoever knows where.
    assert (wrong["acked"], wrong["stored"], wrong["readable"]) == (True, 1, True)
    assert wrong["matches"] is False


def test_an_acknowledgement_may_name_either_row_of_a_double() -> None:
    write = Write("x", 9, acked=True)

    finding = Finding(write, Stored((7, 9)), ReadBack(True, "v1", True))

    assert finding.matches is True
    assert ledger.summary([finding])["duplicated"] == 1


def test_a_wrong_id_is_told_also_when_nothing_can_be_read() -> None:
    finding = Finding(Write("x", 8, acked=True), Stored((7,)), ReadBack(None))

    counts = ledger.summary([finding])

    assert finding.as_line()["matches"] is False
    assert (counts["unreadable"], counts["unread"]) == (1, 1)


def test_a_write_that_nobody_was_told_of_has_no_wrong_id() -> None:
    finding = Finding(Write("x", None, acked=False), Stored((7,)), None)

    assert finding.as_line()["matches"] is None
    assert ledger.summary([finding])["unreadable"] == 0


def test_a_write_that_reads_differently_is_unreadable() -> None:
    store = Store()

    async def reads_nothing(received: Received, line: Line) -> None:
        if received.method == "POST":
            await store(received, line)
            store.rows[-1]["body"] = None
        else:
            await store(received, line)

    *lines, done = audited(reads_nothing, store, 5)

    assert (done["unreadable"], done["lost"]) == (5, 0)
    assert {(line["readable"], line["matches"]) for line in lines} == {(True, False)}


@pytest.mark.parametrize(
    ("behaves", "read"),
    [
        (answer(404), ReadBack(False, "v1")),
        (answer(500, {"sqlstate": "42703"}, release="v2"), ReadBack(False, "v2")),
        (answer(503), ReadBack(None, "v1")),
    ],
)
def test_reading_back_tells_no_from_no_answer(behaves: bytes, read: ReadBack) -> None:
    async def scenario() -> tuple[dict[str, ReadBack], int]:
        async def behave(_: Received, line: Line) -> None:
            await line.send(behaves)

        async with serving(behave) as service:
            transport = Transport(service.url, kept=0, connect_timeout_s=5, total_timeout_s=5)
            found = await read_back(transport, {"ref": 7}, run="r", start=time.monotonic_ns())
            return found, len(service.received)

    found, asked = asyncio.run(scenario())

    assert found == {"ref": read}
    assert asked == (TRIES if read.readable is None else 1)


def test_reading_back_bears_with_a_service_that_comes_back() -> None:
    async def scenario() -> dict[str, ReadBack]:
        async def behave(_: Received, line: Line) -> None:
            chirp = {"client_ref": "ref", "body": chirp_body("ref")}
            await line.send(answer(503) if len(service.received) == 1 else answer(200, chirp))

        async with serving(behave) as service:
            transport = Transport(service.url, kept=0, connect_timeout_s=5, total_timeout_s=5)
            return await read_back(transport, {"ref": 7}, run="r", start=time.monotonic_ns())

    assert asyncio.run(scenario()) == {"ref": ReadBack(True, "v1", True)}


def test_reading_back_never_asks_for_more_at_once_than_can_be_answered() -> None:
    async def scenario() -> int:
        open_now, most = 0, 0

        async def behave(_: Received, line: Line) -> None:
            nonlocal open_now, most
            open_now += 1
            most = max(most, open_now)
            await asyncio.sleep(0.02)
            open_now -= 1
            await line.send(answer(404))

        async with serving(behave) as service:
            transport = Transport(service.url, kept=0, connect_timeout_s=5, total_timeout_s=5)
            wanted = {f"ref {number}": number for number in range(4 * AT_ONCE)}
            start = time.monotonic_ns()
            found = await read_back(transport, wanted, run="r", start=start, per_s=100_000)
            assert len(found) == len(wanted)
        return most

    assert 1 < asyncio.run(scenario()) <= AT_ONCE


def test_the_ledger_has_the_creates_of_requests_and_of_sessions() -> None:
    async def scenario() -> Lines:
        store = Store()

        async def behave(received: Received, line: Line) -> None:
            if "client_ref" in received.body.decode():
                await store(received, line)
            else:
                await line.send(answer(200, {}))

        async with serving(behave) as service:
            wanted = spec(service.url, rate=2000, sessions_per_s=1000)
            return await load(wanted, 60, sessions=3)

    lines = asyncio.run(scenario())
    encoded = [json.dumps(line, separators=(",", ":")).encode() for line in lines]

    found = list(ledger.writes(encoded))

    creates = [line for line in of_kind(lines, "request") if line["endpoint"] == "create_chirp"]
    posts = of_kind(lines, "session")
    assert {each.ref for each in found} == {line["ref"] for line in [*creates, *posts]}
    assert len(found) == len(creates) + 3
    assert all(each.acked and each.chirp for each in found)


def test_a_session_that_posted_in_vain_is_not_acknowledged() -> None:
    steps = [{"endpoint": "create_chirp", "outcome": "read_timeout"}]
    line = {"kind": "session", "ref": "x", "chirp": None, "steps": steps}

    encoded = json.dumps(line, separators=(",", ":")).encode()

    assert list(ledger.writes([encoded])) == [Write("x", None, acked=False)]


@pytest.mark.parametrize(
    ("line", "acked"),
    [
        ({"kind": "request", "outcome": "ok"}, True),
        ({"kind": "request", "outcome": "http_5xx"}, False),
        ({"kind": "request", "outcome": "client_cap"}, False),
        ({"kind": "session", "steps": [("page", "ok"), ("create_chirp", "ok")]}, True),
        # Acknowledged is acknowledged, whatever the user met next.
        ({"kind": "session", "steps": [("create_chirp", "ok"), ("read_back", "mismatch")]}, True),
        ({"kind": "session", "steps": [("page", "ok"), ("create_chirp", "truncated")]}, False),
    ],
)
def test_a_write_counts_as_acknowledged_by_the_end_of_its_own_request(
    line: dict[str, Any], acked: bool
) -> None:
    steps = [{"endpoint": name, "outcome": outcome} for name, outcome in line.get("steps", [])]
    told = {**line, "steps": steps, "ref": "x", "chirp": 7}

    (write,) = ledger.writes([json.dumps(told, separators=(",", ":")).encode()])

    assert write == Write("x", 7, acked)


def test_a_session_that_did_not_come_to_its_post_wrote_nothing() -> None:
    steps = [{"endpoint": "page", "outcome": "reset"}]
    line = {"kind": "session", "ref": None, "chirp": None, "steps": steps}

    assert list(ledger.writes([json.dumps(line, separators=(",", ":")).encode()])) == []
