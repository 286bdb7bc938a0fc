"""Each way in which a request can end has a name of its own."""

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from lab.observer import operations
from lab.observer.answers import Malformed
from lab.observer.connection import Ended
from lab.observer.outcomes import Outcome, of_error
from lab.observer.transport import Exchange, Transport
from tests.observer.service import Line, Received, answer, serving

TURNS = 100


async def fresh(transport: Transport) -> Exchange:
    return await transport.fresh(operations.page(), "id-1")


async def keepalive(transport: Transport) -> Exchange:
    return await transport.keepalive(operations.page(), "id-1")


def transport(url: str, **wanted: Any) -> Transport:
    timeouts = {"connect_timeout_s": 5.0, "total_timeout_s": 5.0, **wanted}
    return Transport(url, kept=1, **timeouts)


def outcome_of(behave: Callable[[Received, Line], Awaitable[None]], **wanted: Any) -> Exchange:
    async def ask() -> Exchange:
        async with serving(behave) as service, transport(service.url, **wanted) as client:
            return await fresh(client)

    return asyncio.run(ask())


def sends(content: bytes, *, then: Callable[[Line], None] = Line.close) -> Any:
    async def behave(_: Received, line: Line) -> None:
        await line.send(content)
        then(line)

    return behave


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, "ok"), (201, "ok"), (302, "ok"), (404, "http_4xx"), (500, "http_5xx")],
)
def test_an_answer_is_told_by_its_status(status: int, outcome: str) -> None:
    exchange = outcome_of(sends(answer(status)))

    assert (exchange.outcome, exchange.status) == (outcome, status)


def test_an_answer_tells_who_gave_it() -> None:
    failed = answer(
        500, {"error": "x", "sqlstate": "42703"}, release="v2", X_Chirps_Draining="true"
    )

    line = outcome_of(sends(failed)).as_line()

    assert line["sqlstate"] == "42703"
    assert (line["release"], line["pod"], line["node"]) == ("v2", "chirps-v2-1", "n3")
    assert (line["schema"], line["draining"]) == (5, True)


def test_an_answer_that_is_no_json_is_still_an_answer() -> None:
    page = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\nsad!"

    line = outcome_of(sends(page)).as_line()

    assert (line["outcome"], line["status"], line["sqlstate"]) == ("http_5xx", 502, None)
    assert (line["release"], line["schema"]) == (None, None)


def test_a_port_without_listener_refuses() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"

        async def ask() -> Exchange:
            async with transport(url) as client:
                return await fresh(client)

        exchange = asyncio.run(ask())

    assert exchange.outcome == "refused"
    assert exchange.connected is None
    assert exchange.conn is None


async def reset(_: Received, line: Line) -> None:
    line.reset()


async def close(_: Received, line: Line) -> None:
    line.close()


@pytest.mark.parametrize("behave", [reset, close])
def test_a_connection_that_ends_without_answer_is_reset(behave: Any) -> None:
    exchange = outcome_of(behave)

    assert exchange.outcome == "reset"
    assert exchange.connected is not None
    assert exchange.first is None


@pytest.mark.parametrize("end", [Line.close, Line.reset])
@pytest.mark.parametrize(
    "part",
    [
        b"HTTP/1.1 200 OK\r\nContent-Le",
        answer(200, {"id": 1})[:-3],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
    ],
)
def test_an_answer_that_breaks_off_is_truncated(part: bytes, end: Any) -> None:
    async def behave(_: Received, line: Line) -> None:
        await line.send(part)
        # A reset discards what was not read yet, so let the client have its turns to read.
        for _ in range(TURNS):
            await asyncio.sleep(0)
        end(line)

    exchange = outcome_of(behave)

    assert exchange.outcome == "truncated"
    assert exchange.first is not None


def test_an_answer_that_cannot_be_read_is_truncated() -> None:
    assert outcome_of(sends(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")).outcome == "truncated"


def test_no_answer_in_time_is_a_read_timeout() -> None:
    exchange = outcome_of(lambda _, line: line.gone(), total_timeout_s=0.05)

    assert exchange.outcome == "read_timeout"
    assert exchange.connected is not None


def test_half_an_answer_in_time_is_a_read_timeout() -> None:
    async def behave(_: Received, line: Line) -> None:
        await line.send(answer()[:20])
        await line.gone()

    exchange = outcome_of(behave, total_timeout_s=0.1)

    assert exchange.outcome == "read_timeout"
    assert exchange.first is not None


def test_no_connection_in_time_is_a_connect_timeout() -> None:
    # Linux drops a SYN for a queue that is full, as a network does that loses packets.
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(address)

        async def ask() -> Exchange:
            url = f"http://127.0.0.1:{address[1]}"
            async with transport(url, connect_timeout_s=0.1) as client:
                return await fresh(client)

        exchange = asyncio.run(ask())
        for each in waiting:
            each.close()

    assert exchange.outcome == "connect_timeout"
    assert exchange.connected is None


@pytest.mark.parametrize(
    ("error", "connected", "outcome"),
    [
        (OSError(errno.EMFILE, "too many open files"), False, "client_cap"),
        (OSError(errno.EADDRNOTAVAIL, "no port is left"), False, "client_cap"),
        (OSError(errno.EHOSTUNREACH, "no route to host"), False, "refused"),
        (ConnectionResetError(errno.ECONNRESET, "reset"), False, "reset"),
        (BrokenPipeError(errno.EPIPE, "broken pipe"), True, "reset"),
        (TimeoutError(errno.ETIMEDOUT, "timed out"), False, "connect_timeout"),
        (Ended(began=True), True, "truncated"),
        (Malformed("x"), True, "truncated"),
    ],
)
def test_errors_of_the_kernel_have_an_outcome(error: Any, connected: bool, outcome: str) -> None:
    assert of_error(error, connected=connected) is Outcome(outcome)
