import asyncio
import hashlib
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

import pytest

from lab.machines import forwarder, netns, processes
from lab.machines.forwarder import Forward
from lab.machines.processes import ProcessId
from lab.paths import Caller, find_caller

pytestmark = pytest.mark.e2e

CONNECTIONS = 1000
LABEL = f"labfwd{os.getpid()}"

EndOfServing = tuple[asyncio.AbstractEventLoop, asyncio.Event]


@dataclass(frozen=True, slots=True)
class Published:
    """An echo server inside a namespace, published on a port of the host."""

    port: int
    supervisor: ProcessId
    log: Path

    def worker(self) -> ProcessId:
        (pid,) = processes.children(self.supervisor.pid)
        return processes.identify(pid)

    def ask(self, question: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as client:
            client.sendall(question)
            client.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: client.recv(65536), b""))


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def serve_echo(listener: socket.socket, running: Queue[EndOfServing]) -> None:
    done = asyncio.Event()
    async with await asyncio.start_server(echo, sock=listener, backlog=CONNECTIONS):
        running.put((asyncio.get_running_loop(), done))
        await done.wait()


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def echo_port(many_descriptors: None) -> Iterator[int]:
    """Serve echo inside a namespace; return its port there."""
    netns.create(LABEL)
    with netns.enter(netns.path(LABEL)):
        listener = socket.create_server(("127.0.0.1", 0), backlog=CONNECTIONS)
    port, running = listener.getsockname()[1], Queue[EndOfServing]()
    thread = threading.Thread(target=lambda: asyncio.run(serve_echo(listener, running)))
    thread.start()
    loop, done = running.get(timeout=5)
    yield port
    loop.call_soon_threadsafe(done.set)
    thread.join()
    netns.destroy(LABEL)


def start(port: int, echo_port: int, log: Path, owner: Caller) -> ProcessId:
    return forwarder.start(
        netns=netns.path(LABEL),
        forwards=[Forward(port, ("127.0.0.1",), echo_port)],
        label=LABEL,
        log=log,
        owner=owner,
    )


@pytest.fixture
def published(echo_port: int, tmp_path: Path) -> Iterator[Published]:
    port, log = forwarder.free_port(16443), tmp_path / "forwarder.log"
    supervisor = start(port, echo_port, log, find_caller())
    yield Published(port, supervisor, log)
    forwarder.stop(supervisor)


def test_a_thousand_connections_at_once_arrive_whole(published: Published) -> None:
    everyone_is_connected = asyncio.Barrier(CONNECTIONS)

    async def exchange(number: int) -> bool:
        payload = hashlib.shake_128(str(number).encode()).digest(20_000 + number)
        reader, writer = await asyncio.open_connection("127.0.0.1", published.port)
        await everyone_is_connected.wait()
        writer.write(payload)
        writer.write_eof()
        answer = await reader.read(-1)
        writer.close()
        return answer == payload

    async def all_exchanges() -> list[bool]:
        return await asyncio.gather(*(exchange(number) for number in range(CONNECTIONS)))

    assert asyncio.run(all_exchanges()) == [True] * CONNECTIONS
    assert published.log.read_text() == ""


def test_descriptors_are_given_back(published: Published) -> None:
    opened = Path(f"/proc/{published.worker().pid}/fd")
    published.ask(b"first")
    before = len(list(opened.iterdir()))
    for _ in range(50):
        published.ask(b"again")

    # The last connection may still be closing when its answer has arrived.
    deadline = time.monotonic() + 5
    while len(list(opened.iterdir())) > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(list(opened.iterdir())) <= before


def test_only_loopback_is_listened_on(published: Published) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", published.port), timeout=5)


def test_a_killed_worker_is_replaced_and_nobody_is_refused(published: Published) -> None:
    worker = published.worker()

    processes.send(worker, signal.SIGKILL)

    assert published.ask(b"after") == b"after"
    assert published.worker() != worker
    assert processes.is_alive(published.supervisor)


def test_the_worker_dies_with_a_killed_supervisor(published: Published) -> None:
    worker = published.worker()

    processes.send(published.supervisor, signal.SIGKILL)

    assert processes.wait_gone(worker, timeout_s=5)
    with pytest.raises(ConnectionRefusedError):
        published.ask(b"")


def test_stopping_ends_both_quietly_and_frees_the_port(published: Published) -> None:
    worker = published.worker()

    forwarder.stop(published.supervisor)

    assert not processes.is_alive(published.supervisor)
    assert not processes.is_alive(worker)
    assert forwarder.free_port(published.port) == published.port
    assert published.log.read_text() == ""


def test_it_stops_when_the_namespace_is_gone(published: Published) -> None:
    netns.destroy(LABEL)

    assert processes.wait_gone(published.supervisor, timeout_s=5)


def test_it_stops_when_the_name_means_another_namespace(published: Published) -> None:
    netns.destroy(LABEL)
    netns.create(LABEL)

    assert processes.wait_gone(published.supervisor, timeout_s=5)


def test_the_supervisor_is_found_by_its_label_and_the_worker_is_not(published: Published) -> None:
    assert forwarder.find(LABEL) == [published.supervisor]
    assert forwarder.find(LABEL[:-1]) == []


def test_it_has_its_own_session_and_no_child_is_left_to_the_caller(published: Published) -> None:
    assert os.getsid(published.supervisor.pid) == published.supervisor.pid
    assert os.getsid(published.worker().pid) == published.supervisor.pid
    assert published.supervisor.pid not in processes.children(os.getpid())


def test_it_runs_as_the_calling_user(echo_port: int, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    port, log = forwarder.free_port(16443), tmp_path / "forwarder.log"
    supervisor = start(port, echo_port, log, Caller(1234, 1235, tmp_path))
    try:
        published = Published(port, supervisor, log)
        status = Path(f"/proc/{published.worker().pid}/status").read_text()

        assert "Uid:\t1234\t1234\t1234\t1234\nGid:\t1235\t1235\t1235\t1235" in status
        assert "CapEff:\t0000000000000000" in status
        assert log.stat().st_uid == 1234
        processes.send(published.worker(), signal.SIGKILL)
        assert published.ask(b"hello") == b"hello"
    finally:
        forwarder.stop(supervisor)


STARTS_AND_IS_KILLED = """
import os, sys
from pathlib import Path
from queue import Queue
from lab.machines import forwarder
from lab.paths import find_caller
netns, forward, label, log = sys.argv[1:]
forwarder.start(netns=Path(netns), forwards=[forwarder.Forward.parse(forward)], label=label,
                log=Path(log), owner=find_caller())
os.kill(0, 9)
"""


def test_it_survives_who_started_it(echo_port: int, tmp_path: Path) -> None:
    port, log = forwarder.free_port(16443), tmp_path / "forwarder.log"
    forward = Forward(port, ("127.0.0.1",), echo_port).spell()
    argv = [sys.executable, "-c", STARTS_AND_IS_KILLED, str(netns.path(LABEL)), forward, LABEL, log]
    done = subprocess.run(argv, start_new_session=True, check=False)
    (supervisor,) = forwarder.find(LABEL)
    try:
        assert done.returncode == -signal.SIGKILL
        assert Published(port, supervisor, log).ask(b"hello") == b"hello"
    finally:
        forwarder.stop(supervisor)


def test_two_together_fit_into_little_memory(published: Published) -> None:
    published.ask(b"hello")

    def own_kib(pid: int) -> int:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))

    assert own_kib(published.supervisor.pid) + own_kib(published.worker().pid) < 40_000
