import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.errors import CommandFailed
from lab.machines import netns
from lab.machines.commands import run

pytestmark = pytest.mark.e2e

NAME = f"labtest{os.getpid()}"


@pytest.fixture
def namespace() -> Iterator[Path]:
    netns.create(NAME)
    yield netns.path(NAME)
    netns.destroy(NAME)


def own_namespace() -> str:
    return str(Path("/proc/thread-self/ns/net").readlink())


def test_a_namespace_has_loopback_up_and_nothing_else(namespace: Path) -> None:
    links = run(netns.command(NAME, ["ip", "-brief", "link"])).splitlines()

    assert [line.split()[0] for line in links] == ["lo"]
    assert "LOWER_UP" in links[0]


def test_creating_twice_keeps_the_namespace(namespace: Path) -> None:
    before = namespace.stat()

    netns.create(NAME)

    assert namespace.stat().st_ino == before.st_ino


def test_destroying_twice_is_fine(namespace: Path) -> None:
    netns.destroy(NAME)
    netns.destroy(NAME)

    assert not netns.exists(NAME)


def test_a_plain_file_left_by_a_crash_is_not_a_namespace(namespace: Path) -> None:
    netns.destroy(NAME)
    namespace.touch()

    assert not netns.exists(NAME)
    netns.create(NAME)
    assert netns.exists(NAME)


def test_a_plain_file_left_by_a_crash_is_destroyed_too(namespace: Path) -> None:
    netns.destroy(NAME)
    namespace.touch()

    netns.destroy(NAME)

    assert not os.path.lexists(namespace)


def test_entering_moves_the_calling_thread_only(namespace: Path) -> None:
    outside, seen = own_namespace(), []
    inside, checked = threading.Event(), threading.Event()

    def look_from_another_thread() -> None:
        inside.wait(5)
        seen.append(own_namespace())
        checked.set()

    thread = threading.Thread(target=look_from_another_thread)
    thread.start()
    with netns.enter(namespace):
        inside.set()
        checked.wait(5)
        assert own_namespace() == f"net:[{namespace.stat().st_ino}]"
    thread.join()
    assert seen == [outside]
    assert own_namespace() == outside


def test_an_error_inside_leads_back_out(namespace: Path) -> None:
    outside = own_namespace()

    with pytest.raises(ZeroDivisionError), netns.enter(namespace):
        raise ZeroDivisionError

    assert own_namespace() == outside


def test_what_is_not_a_namespace_is_not_entered(tmp_path: Path) -> None:
    outside = own_namespace()
    (tmp_path / "plain").touch()

    with pytest.raises(OSError, match="cannot enter"), netns.enter(tmp_path / "plain"):
        pass

    assert own_namespace() == outside


def test_a_connection_reaches_a_server_inside(namespace: Path) -> None:
    with netns.enter(namespace):
        server = socket.create_server(("127.0.0.1", 0))
    with server, netns.connect(namespace, server.getsockname(), 5) as client:
        accepted, _ = server.accept()
        with accepted:
            client.sendall(b"hello")
            assert accepted.recv(5) == b"hello"


def test_a_server_outside_is_not_reached_from_inside(namespace: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(ConnectionRefusedError),
    ):
        netns.connect(namespace, server.getsockname(), 5)


def test_there_is_no_way_out(namespace: Path) -> None:
    with pytest.raises(OSError, match="unreachable"):
        netns.connect(namespace, ("192.0.2.1", 80), 5)


def test_a_command_runs_inside_and_still_sees_the_cgroups(namespace: Path) -> None:
    inside = run(netns.command(NAME, ["sh", "-c", "readlink /proc/self/ns/net; ls /sys/fs/cgroup"]))

    assert inside.splitlines()[0] == f"net:[{namespace.stat().st_ino}]"
    assert inside.splitlines()[1:] == sorted(path.name for path in Path("/sys/fs/cgroup").iterdir())


def test_a_command_in_a_namespace_that_is_not_there_fails() -> None:
    with pytest.raises(CommandFailed, match="nsenter --net=/run/netns/labnever"):
        run(netns.command("labnever", ["true"]))


def test_a_program_started_inside_keeps_the_namespace_alive_for_itself(namespace: Path) -> None:
    argv = netns.command(NAME, ["sh", "-c", "echo started; cat"])
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        program.stdout.readline()
        netns.destroy(NAME)

        assert not netns.exists(NAME)
        assert program.poll() is None
