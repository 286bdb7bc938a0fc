import asyncio
import contextlib
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from queue import Queue

import pytest

from lab.machines import relay

Address = tuple[str, int]
SOME = bytes(range(256)) * 4096


def receive(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := connection.recv(size - len(data))):
        data += more
    return data


def drain(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        receive_all(connection)


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


@contextlib.contextmanager
def relaying(*targets: Address) -> Iterator[Address]:
    """Relay from a port of its own to the first of `targets` that answers, in a thread."""
    running: Queue[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = Queue()

    async def serve_until_cancelled() -> None:
        serving = asyncio.create_task(relay.serve([(listener, targets)]))
        running.put((asyncio.get_running_loop(), serving))
        await asyncio.wait([serving])

    with socket.create_server(("127.0.0.1", 0), backlog=1000) as listener:
        thread = in_thread(lambda: asyncio.run(serve_until_cancelled()))
        loop, serving = running.get(timeout=5)
        try:
            yield listener.getsockname()
        finally:
            loop.call_soon_threadsafe(serving.cancel)
            thread.join()


@pytest.fixture
def target() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as server:
        server.settimeout(10)
        yield server


@contextlib.contextmanager
def pair(target: socket.socket) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Return both ends of one relayed connection."""
    with relaying(target.getsockname()) as address:
        client = socket.create_connection(address, timeout=10)
        server, _ = target.accept()
        server.settimeout(10)
        with client, server:
            yield client, server


def receive_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


def connect_and_read(address: Address, *, timeout_s: float) -> bytes:
    with socket.create_connection(address, timeout=timeout_s) as client:
        return client.recv(1)


def send_until_stopped(connection: socket.socket, *, at_most: int) -> int:
    sent = 0
    with contextlib.suppress(TimeoutError):
        while sent < at_most:
            sent += connection.send(SOME)
    return sent


def test_both_directions_arrive_whole(target: socket.socket) -> None:
    with pair(target) as (client, server):
        for source, sink in ((client, server), (server, client)):
            sending = in_thread(lambda end=source: (end.sendall(SOME), end.shutdown(1)))
            assert receive_all(sink) == SOME
            sending.join()


def test_an_answer_still_comes_after_the_client_has_ended_its_side(target: socket.socket) -> None:
    with pair(target) as (client, server):
        client.sendall(b"question")
        client.shutdown(socket.SHUT_WR)

        assert receive_all(server) == b"question"
        server.sendall(b"answer")
        server.close()
        assert receive_all(client) == b"answer"


def test_a_question_still_goes_after_the_server_has_ended_its_side(target: socket.socket) -> None:
    with pair(target) as (client, server):
        server.shutdown(socket.SHUT_WR)

        assert receive_all(client) == b""
        client.sendall(b"late")
        client.close()
        assert receive_all(server) == b"late"


@pytest.mark.parametrize("resets", ["client", "server"])
def test_a_reset_stays_a_reset(target: socket.socket, resets: str) -> None:
    with pair(target) as (client, server):
        breaks, sees = (client, server) if resets == "client" else (server, client)
        breaks.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, relay.RESET_ON_CLOSE)
        breaks.close()

        with pytest.raises(ConnectionResetError):
            receive_all(sees)


def test_a_refused_target_resets_the_client_at_once(target: socket.socket) -> None:
    address = target.getsockname()
    target.close()

    # On a busy host the reset comes before connect has returned.
    with relaying(address) as listening, pytest.raises(ConnectionResetError):
        connect_and_read(listening, timeout_s=2)


def test_a_target_that_does_not_answer_is_given_up(
    target: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "CONNECT_BOUND_S", 0.1)
    # A full queue of a listener drops what comes: the only silent target on loopback.
    target.listen(0)
    with (
        socket.create_connection(target.getsockname()),
        relaying(target.getsockname()) as address,
        pytest.raises(ConnectionResetError),
    ):
        connect_and_read(address, timeout_s=5)


def test_a_failed_connection_does_not_stop_the_next(target: socket.socket) -> None:
    with pair(target) as (client, server):
        address = client.getpeername()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, relay.RESET_ON_CLOSE)
        server.close()
        with socket.create_connection(address, timeout=10) as second:
            accepted, _ = target.accept()
            with accepted:
                second.sendall(b"still here")
                assert accepted.recv(100) == b"still here"


def test_who_does_not_read_stops_who_sends(target: socket.socket) -> None:
    with pair(target) as (client, server):
        client.settimeout(0.2)
        sent = send_until_stopped(client, at_most=1 << 30)
        assert sent < 1 << 30
        client.shutdown(socket.SHUT_WR)

        assert len(receive_all(server)) == sent


def test_a_transfer_that_never_waits_does_not_starve_another_connection(
    target: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Byte by byte, what the kernel holds already keeps one connection busy for long.
    monkeypatch.setattr(relay, "CHUNK", 1)
    with pair(target) as (client, server):
        client.settimeout(0.2)
        send_until_stopped(client, at_most=1 << 30)
        draining = in_thread(lambda: drain(server))
        with socket.create_connection(client.getpeername(), timeout=5) as second:
            accepted, _ = target.accept()
            with accepted:
                second.sendall(b"x")
                assert accepted.recv(1) == b"x"
        server.shutdown(socket.SHUT_RDWR)
        draining.join()


def test_small_messages_are_not_held_back(target: socket.socket) -> None:
    with pair(target) as (client, server):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        rounds = []
        for _ in range(50):
            began = time.monotonic()
            # One write after the other is what Nagle's algorithm holds back, for 40 ms each.
            for source, sink in ((client, server), (server, client)):
                source.sendall(b"a")
                assert sink.recv(2) == b"a"
                source.sendall(b"b")
                assert sink.recv(2) == b"b"

            rounds.append(time.monotonic() - began)

        assert statistics.median(rounds) < 0.03


def test_many_connections_do_not_mix(target: socket.socket) -> None:
    with relaying(target.getsockname()) as address:
        clients = [socket.create_connection(address, timeout=10) for _ in range(100)]
        servers = [target.accept()[0] for _ in clients]
        for number, client in enumerate(clients):
            client.sendall(number.to_bytes(4, "big"))
        for server in servers:
            server.sendall(receive(server, 4) * 2)

        for number, client in enumerate(clients):
            assert receive(client, 8) == number.to_bytes(4, "big") * 2
        for connection in clients + servers:
            connection.close()


def test_where_one_target_refuses_the_next_one_gets_the_connection(target: socket.socket) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = closed.getsockname()

    with relaying(nobody, target.getsockname()) as address:
        for _ in range(2):
            with socket.create_connection(address) as client:
                accepted, _ = target.accept()
                with accepted:
                    client.sendall(b"hello")
                    assert receive(accepted, 5) == b"hello"


def test_where_all_targets_refuse_the_client_is_reset() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = closed.getsockname()

    with (
        relaying(nobody, nobody) as address,
        socket.create_connection(address) as client,
        pytest.raises(ConnectionResetError),
    ):
        client.recv(1)
