"""Which connection carries a request, and what the client never does with it."""

import asyncio
from collections import Counter

import pytest

from lab.observer import operations
from lab.observer.connection import Connection, Ended
from lab.observer.transport import Exchange, Transport
from tests.observer.service import Line, Received, answer, serving


def client(url: str, *, kept: int) -> Transport:
    return Transport(url, kept=kept, connect_timeout_s=5, total_timeout_s=5)


async def keepalive(transport: Transport) -> Exchange:
    return await transport.keepalive(operations.page(), "id")


async def fresh(transport: Transport) -> Exchange:
    return await transport.fresh(operations.page(), "id")


def test_each_fresh_request_has_a_connection_of_its_own() -> None:
    async def scenario() -> None:
        async with serving() as service, client(service.url, kept=1) as transport:
            found = [await fresh(transport) for _ in range(5)]

        assert [each.reused for each in found] == [False] * 5
        assert len({each.conn for each in found}) == service.connections == 5
        assert {each.headers["connection"] for each in service.received} == {"close"}

    asyncio.run(scenario())


def test_kept_connections_take_turns() -> None:
    async def scenario() -> None:
        async with serving() as service, client(service.url, kept=3) as transport:
            found = [await keepalive(transport) for _ in range(9)]

        assert [each.reused for each in found] == [False] * 3 + [True] * 6
        assert Counter(each.conn for each in found) == {1: 3, 2: 3, 3: 3}
        assert service.connections == 3
        assert [each.connection for each in service.received] == [1, 2, 3] * 3

    asyncio.run(scenario())


def test_a_busy_connection_makes_nobody_wait() -> None:
    async def scenario() -> None:
        both_came, came = asyncio.Event(), 0

        async def wait_for_two(_: Received, line: Line) -> None:
            nonlocal came
            came += 1
            if came == 2:
                both_came.set()
            await both_came.wait()
            await line.send(answer())

        async with serving(wait_for_two) as service, client(service.url, kept=1) as transport:
            found = await asyncio.gather(keepalive(transport), keepalive(transport))
            later = await keepalive(transport)

        assert [each.outcome for each in found] == ["ok", "ok"]
        assert service.connections == 2
        assert (later.reused, later.conn) == (True, found[0].conn)

    asyncio.run(scenario())


def test_a_kept_connection_that_the_server_closed_is_replaced() -> None:
    async def scenario() -> None:
        async def answer_and_close(_: Received, line: Line) -> None:
            await line.send(answer(Connection="close"))
            line.close()

        async with serving(answer_and_close) as service, client(service.url, kept=1) as transport:
            found = [await keepalive(transport) for _ in range(3)]

        assert [each.outcome for each in found] == ["ok"] * 3
        assert [each.reused for each in found] == [False] * 3

    asyncio.run(scenario())


def test_a_request_is_not_sent_again_when_the_server_closes_a_kept_connection() -> None:
    async def scenario() -> None:
        async def answer_once(received: Received, line: Line) -> None:
            if len(service.received) == 2:
                line.close()
            else:
                await line.send(answer())

        async with serving(answer_once) as service, client(service.url, kept=1) as transport:
            found = [await keepalive(transport) for _ in range(3)]

        assert [each.outcome for each in found] == ["ok", "reset", "ok"]
        assert [each.reused for each in found] == [False, True, False]
        assert len(service.received) == 3

    asyncio.run(scenario())


def test_a_kept_connection_is_not_used_again_after_a_timeout() -> None:
    async def scenario() -> None:
        async def first_never(_: Received, line: Line) -> None:
            if len(service.received) == 1:
                await line.gone()
            else:
                await line.send(answer())

        async with serving(first_never) as service:
            transport = Transport(service.url, kept=1, connect_timeout_s=5, total_timeout_s=0.1)
            async with transport:
                found = [await keepalive(transport) for _ in range(2)]

        # Its late answer would be taken for that of the next request.
        assert [each.outcome for each in found] == ["read_timeout", "ok"]
        assert found[0].conn != found[1].conn

    asyncio.run(scenario())


def test_bytes_that_nobody_asked_for_end_a_kept_connection() -> None:
    async def scenario() -> None:
        async def twice(_: Received, line: Line) -> None:
            await line.send(answer() + answer(500))

        async with serving(twice) as service, client(service.url, kept=1) as transport:
            found = [await keepalive(transport) for _ in range(2)]

        assert [each.outcome for each in found] == ["ok", "ok"]
        assert [each.reused for each in found] == [False, False]

    asyncio.run(scenario())


class Link(asyncio.Transport):
    """The transport of a connection that leads nowhere."""

    aborted = False

    def abort(self) -> None:
        self.aborted = True


def test_bytes_that_come_while_nobody_asks_end_a_kept_connection() -> None:
    connection, link = Connection(1), Link()
    connection.connection_made(link)
    assert connection.usable

    # As a server sends that tells an idle client to go away.
    connection.data_received(b"HTTP/1.1 408 Request Timeout\r\n\r\n")

    assert not connection.usable
    assert link.aborted


def test_a_connection_that_was_lost_is_not_asked() -> None:
    async def scenario() -> None:
        connection = Connection(1)
        connection.connection_made(Link())
        connection.connection_lost(None)
        with pytest.raises(Ended, match="before the first byte"):
            await connection.ask(b"GET / HTTP/1.1\r\n\r\n")

    asyncio.run(scenario())


def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    async def scenario() -> None:
        async def old(_: Received, line: Line) -> None:
            await line.send(b"HTTP/1.0 200 OK\r\n\r\nhello")
            line.close()

        async with serving(old) as service, client(service.url, kept=1) as transport:
            found = [await keepalive(transport) for _ in range(2)]

        assert [(each.outcome, bytes(each.content)) for each in found] == [("ok", b"hello")] * 2
        assert [each.reused for each in found] == [False, False]

    asyncio.run(scenario())
