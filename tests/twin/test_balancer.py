"""A balancer between real sockets: who gets a connection, and what each side sees of the other."""

import asyncio
import random
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from lab.errors import HostUnfit
from lab.twin.balancer import Balancer
from lab.twin.links import Endpoint

HOST = "127.0.0.1"
# What a test has opened and `balanced` closes.
OPENED: list[asyncio.StreamWriter] = []
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
    writer.close()


def says(text: str) -> Handler:
    """Return a pod that answers each line with its own name."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline():
            writer.write(f"{text}\n".encode())
        writer.close()

    return answer


@asynccontextmanager
async def pod(handler: Handler) -> AsyncIterator[Endpoint]:
    server = await asyncio.start_server(handler, HOST, 0)
    try:
        yield Endpoint("pod", HOST, server.sockets[0].getsockname()[1])
    finally:
        server.close()


@asynccontextmanager
async def balanced(*endpoints: Endpoint, seed: int = 1) -> AsyncIterator[Balancer]:
    balancer = Balancer(chance=random.Random(seed))
    await balancer.start()
    balancer.set_endpoints(endpoints)
    try:
        yield balancer
    finally:
        await balancer.close()
        while OPENED:
            OPENED.pop().close()
        await asyncio.sleep(0)


async def connect(balancer: Balancer) -> Streams:
    reader, writer = await asyncio.open_connection(HOST, balancer.port)
    OPENED.append(writer)
    return reader, writer


async def ask(streams: Streams) -> str:
    reader, writer = streams
    writer.write(b"?\n")
    return (await reader.readline()).decode().strip()


def test_each_new_connection_goes_to_a_ready_endpoint_by_chance() -> None:
    async def run() -> Counter[str]:
        async with pod(says("a")) as a, pod(says("b")) as b, balanced(a, b) as balancer:
            seen: Counter[str] = Counter()
            for _ in range(100):
                seen[await ask(await connect(balancer))] += 1
            return seen

    seen = asyncio.run(run())

    chance = random.Random(1)
    assert seen == Counter(chance.choice("ab") for _ in range(100))


def test_without_endpoints_a_connection_is_refused() -> None:
    async def run() -> None:
        async with pod(echo) as one, balanced() as balancer:
            for _ in range(3):
                with pytest.raises(ConnectionRefusedError):
                    await connect(balancer)
                balancer.set_endpoints([one])
                assert await ask(await connect(balancer)) == "?"
                balancer.set_endpoints([])

    asyncio.run(run())


def test_an_established_connection_stays_with_its_pod_when_that_is_no_longer_ready() -> None:
    async def run() -> tuple[str, str, str]:
        async with pod(says("old")) as old, pod(says("new")) as new, balanced(old) as balancer:
            kept = await connect(balancer)
            first = await ask(kept)
            balancer.set_endpoints([])
            unready = await ask(kept)
            balancer.set_endpoints([new])
            assert await ask(await connect(balancer)) == "new"
            return first, unready, await ask(kept)

    assert asyncio.run(run()) == ("old", "old", "old")


def test_who_connected_before_the_last_pod_left_still_reaches_it() -> None:
    async def run() -> str:
        async with pod(says("last")) as last, balanced(last) as balancer:
            client = socket.create_connection((HOST, balancer.port))
            # The loop has had no turn since, so nothing has been accepted yet.
            balancer.set_endpoints([])
            client.setblocking(False)
            reader, writer = await asyncio.open_connection(sock=client)
            OPENED.append(writer)
            return await ask((reader, writer))

    assert asyncio.run(run()) == "last"


def test_a_pod_that_refuses_is_seen_as_a_reset() -> None:
    async def run() -> None:
        async with pod(echo) as gone:
            pass
        async with balanced(gone) as balancer:
            reader, _ = await connect(balancer)
            with pytest.raises(ConnectionResetError):
                await reader.read()

    asyncio.run(run())


def test_a_reset_by_the_pod_reaches_the_client() -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        abort(writer)

    async def run() -> None:
        async with pod(reset) as rude, balanced(rude) as balancer:
            with pytest.raises(ConnectionResetError):
                await ask(await connect(balancer))

    asyncio.run(run())


def test_a_reset_by_the_client_reaches_the_pod() -> None:
    async def run() -> None:
        seen: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

        async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"hello\n")
            try:
                await reader.read()
            except OSError as exc:
                seen.set_result(exc)
            writer.close()

        async with pod(wait) as patient, balanced(patient) as balancer:
            reader, writer = await connect(balancer)
            await reader.readline()
            abort(writer)
            assert isinstance(await asyncio.wait_for(seen, 20), ConnectionResetError)

    asyncio.run(run())


def abort(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def test_an_end_in_good_order_is_no_reset() -> None:
    async def bye(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"bye")
        writer.close()

    async def run() -> bytes:
        async with pod(bye) as polite, balanced(polite) as balancer:
            reader, _ = await connect(balancer)
            return await reader.read()

    assert asyncio.run(run()) == b"bye"


def test_who_has_said_all_still_gets_an_answer() -> None:
    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(str(len(await reader.read())).encode())
        writer.close()

    async def run() -> bytes:
        async with pod(count) as counting, balanced(counting) as balancer:
            reader, writer = await connect(balancer)
            writer.write(b"x" * 1_000_000)
            writer.write_eof()
            return await reader.read()

    assert asyncio.run(run()) == b"1000000"


def test_a_client_that_does_not_read_holds_its_pod_back() -> None:
    size = 64 * 1024 * 1024

    async def run() -> tuple[bool, int]:
        sent = asyncio.Event()

        async def pour(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for _part in range(size // 65536):
                writer.write(bytes(65536))
                await writer.drain()
            sent.set()
            writer.close()

        async with pod(pour) as full, balanced(full) as balancer:
            client = socket.create_connection((HOST, balancer.port))
            client.setblocking(False)
            # Long enough for all of it, were it not held back.
            for _ in range(2000):
                await asyncio.sleep(0)
            held_back = not sent.is_set()
            got = 0
            while part := await asyncio.get_running_loop().sock_recv(client, 1 << 20):
                got += len(part)
            client.close()
            return held_back, got

    assert asyncio.run(run()) == (True, size)


def test_nothing_stays_open_when_both_sides_have_ended() -> None:
    async def run() -> int:
        async with pod(echo) as one, balanced(one) as balancer:
            for _ in range(20):
                reader, writer = await connect(balancer)
                writer.write(b"x\n")
                writer.write_eof()
                assert await reader.read() == b"x\n"
                writer.close()
            for _ in range(1000):
                await asyncio.sleep(0)
            return balancer.connections

    assert asyncio.run(run()) == 0


def test_nothing_stays_open_of_clients_that_leave_at_once() -> None:
    async def run() -> int:
        async with pod(echo) as one, balanced(one) as balancer:
            for _ in range(50):
                client = socket.create_connection((HOST, balancer.port))
                await asyncio.sleep(0)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.close()
            for _ in range(1000):
                await asyncio.sleep(0)
            return balancer.connections

    assert asyncio.run(run()) == 0


def test_closing_resets_what_is_connected_and_gives_the_port_back() -> None:
    async def run() -> None:
        async with pod(echo) as one, balanced(one) as balancer:
            reader, writer = await connect(balancer)
            assert await ask((reader, writer)) == "?"
            await balancer.close()
            with pytest.raises(ConnectionResetError):
                await reader.read()
            again = Balancer(port=balancer.port)
            assert await again.start() == balancer.port
            await again.close()

    asyncio.run(run())


@pytest.mark.parametrize("serves", [False, True])
def test_a_port_that_another_balancer_has_is_refused(serves: bool) -> None:
    async def run() -> None:
        async with pod(echo) as one, balanced(*[one] * serves) as balancer:
            with pytest.raises(HostUnfit, match=f"port {balancer.port} of 127.0.0.1"):
                await Balancer(port=balancer.port).start()

    asyncio.run(run())


def test_a_port_that_another_program_listens_on_is_refused() -> None:
    async def run() -> None:
        async with pod(echo) as other:
            with pytest.raises(HostUnfit, match="in use"):
                await Balancer(port=other.port).start()

    asyncio.run(run())


def test_nobody_else_can_listen_while_connections_are_refused() -> None:
    async def run() -> None:
        async with pod(echo) as one, balanced(one) as balancer:
            balancer.set_endpoints([])
            with pytest.raises(OSError, match="in use"):
                await asyncio.start_server(echo, HOST, balancer.port)

    asyncio.run(run())
