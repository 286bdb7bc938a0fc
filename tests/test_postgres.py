"""The server's life on this host: what it leaves, what it says, whom it lets in."""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from lab.errors import HostUnfit, ServiceNotReady, ToolMissing
from lab.postgres import Server, binaries, find_binaries, server
from lab.postgres.server import TETHER
from tests.postgres import Database, fresh_database, postgres  # noqa: F401 - fixtures

e2e = pytest.mark.e2e
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory that the user `nobody` can reach, with spaces in its path."""
    path = Path(tempfile.mkdtemp(prefix="lab test ", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def processes_with(text: str) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (process / "cmdline").read_bytes()
        except OSError:  # ended meanwhile
            continue
        if text.encode() in arguments and int(process.name) != os.getpid():
            found.append(int(process.name))
    return found


def wait_for(condition: Callable[[], object], *, within_s: float = 20) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_binaries_are_those_of_postgresql_18() -> None:
    answer = subprocess.run(
        [find_binaries() / "bin/postgres", "--version"], capture_output=True, text=True, check=True
    )

    assert answer.stdout.startswith("postgres (PostgreSQL) 18.")


def test_a_missing_wheel_is_told_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(binaries, "find_spec", lambda _: None)
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path))

    with pytest.raises(ToolMissing, match="PostgreSQL 18 is not installed"):
        find_binaries()


def test_variables_of_libpq_do_not_reach_the_server() -> None:
    given = {"PGDATA": "/x", "PGPORT": "1", "PATH": "/bin", "LC_ALL": "de_DE"}

    assert server.environment(given) == {"PATH": "/bin", "LC_ALL": "C"}


@as_root
def test_a_directory_that_is_closed_to_the_servers_user_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    closed = tmp_path / "data"

    with pytest.raises(HostUnfit, match="user nobody cannot reach") as caught:
        Server(closed).start()

    assert str(closed) in caught.value.message
    assert not closed.exists()


@e2e
def test_a_stopped_server_leaves_no_process_socket_or_directory(directory: Path) -> None:
    with Server(directory / "data") as running:
        sockets = running.socket_directory
        assert (sockets / f".s.PGSQL.{running.port}").is_socket()

    assert processes_with(str(directory)) == []
    assert not sockets.exists()
    assert list(directory.iterdir()) == []


@e2e
def test_stopping_ends_open_sessions_and_may_be_done_twice(directory: Path) -> None:
    running = Server(directory / "data")
    running.start()
    with psycopg.connect(**running.connection()):
        running.stop()
    running.stop()

    assert processes_with(str(directory)) == []


@e2e
def test_data_that_is_kept_is_there_at_the_next_start(directory: Path) -> None:
    running = Server(directory / "data")
    running.start()
    with psycopg.connect(**running.connection()) as connection:
        connection.execute("CREATE TABLE kept ()")
    running.stop(keep_data=True)

    with running, psycopg.connect(**running.connection_tcp()) as connection:
        assert connection.execute("SELECT * FROM kept").fetchall() == []


@e2e
def test_tcp_asks_for_the_password_and_the_socket_does_not(postgres: Server) -> None:  # noqa: F811
    given = postgres.connection_tcp()
    psycopg.connect(**given).close()
    psycopg.connect(**postgres.connection()).close()

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(**{**given, "password": "wrong"})


@e2e
def test_a_server_without_tcp_listens_on_its_socket_only(directory: Path) -> None:
    with (
        Server(directory / "data", tcp=False) as running,
        psycopg.connect(**running.connection()) as connection,
    ):
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)


@e2e
def test_settings_hold(postgres: Server) -> None:  # noqa: F811
    with psycopg.connect(**postgres.connection()) as connection:
        assert connection.execute("SHOW track_commit_timestamp").fetchone() == ("on",)


@e2e
def test_a_server_that_does_not_start_is_told_with_its_last_lines(directory: Path) -> None:
    broken = Server(directory / "data", settings={"no_such_setting": "1"})

    with pytest.raises(ServiceNotReady) as caught:
        broken.start()

    assert "did not start" in caught.value.message
    assert 'unrecognized configuration parameter "no_such_setting"' in caught.value.message
    assert list(directory.iterdir()) == []
    assert processes_with(str(directory)) == []


@e2e
def test_a_directory_with_other_files_is_refused_and_left_as_it_was(directory: Path) -> None:
    data = directory / "data"
    data.mkdir()
    (data / "letter").write_text("mine")

    with pytest.raises(ServiceNotReady, match="not empty"):
        Server(data).start()

    assert (data / "letter").read_text() == "mine"


@e2e
def test_a_port_that_was_taken_meanwhile_is_not_insisted_on(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server((server.LOOPBACK, 0)) as taken:
        ports = [taken.getsockname()[1], server.free_port()]
        monkeypatch.setattr(server, "free_port", lambda: ports.pop(0))
        with Server(directory / "data") as running:
            psycopg.connect(**running.connection_tcp()).close()

    assert ports == []


@e2e
@as_root
def test_programs_in_a_closed_directory_are_copied_for_the_servers_user(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "is_open_to_all", lambda path: path != find_binaries())

    with Server(directory / "data") as running:
        copied = running.binaries
        psycopg.connect(**running.connection_tcp()).close()

    assert copied != find_binaries()
    assert not copied.exists()


STARTER = """
import pathlib, sys, time
from lab.postgres import Server

Server(pathlib.Path(sys.argv[1])).start()
print("started", flush=True)
time.sleep(600)
"""


@e2e
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_server_does_not_outlive_who_started_it(directory: Path, number: signal.Signals) -> None:
    data = directory / "data"
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, str(data)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == b"started\n"
        (runtime,) = (line for line in (data / "postmaster.pid").read_text().split("\n")[4:5])
        os.killpg(starter.pid, number)

    wait_for(lambda: not processes_with(str(directory)))
    assert not Path(runtime).exists()


@e2e
def test_a_killed_postmaster_leaves_no_process(directory: Path) -> None:
    running = Server(directory / "data")
    running.start()
    postmaster = int((directory / "data/postmaster.pid").read_text().splitlines()[0])

    os.kill(postmaster, signal.SIGKILL)
    running.stop()

    assert processes_with(str(running.data)) == []


@e2e
def test_a_killed_tether_leaves_no_process(directory: Path) -> None:
    running = Server(directory / "data")
    running.start()
    (tether,) = set(processes_with(str(TETHER))) & set(processes_with(str(running.data)))

    os.kill(tether, signal.SIGKILL)
    running.stop()

    assert processes_with(str(running.data)) == []
    assert list(directory.iterdir()) == []


@e2e
def test_what_a_killed_server_left_is_not_taken_for_a_ready_one(directory: Path) -> None:
    running = Server(directory / "data")
    running.start()
    os.kill(int((directory / "data/postmaster.pid").read_text().split()[0]), signal.SIGKILL)
    running.stop(keep_data=True)
    assert "ready" in (directory / "data/postmaster.pid").read_text()

    with running, psycopg.connect(**running.connection()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


@e2e
@pytest.mark.parametrize("death", [signal.SIGTERM, signal.SIGKILL])
def test_where_processes_have_no_descriptors_nothing_is_left_either(
    directory: Path, monkeypatch: pytest.MonkeyPatch, death: signal.Signals
) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    running = Server(directory / "data")
    running.start()
    (tether,) = set(processes_with(str(TETHER))) & set(processes_with(str(running.data)))

    if death == signal.SIGKILL:
        os.kill(tether, death)
    running.stop()

    assert processes_with(str(running.data)) == []


@e2e
def test_a_lock_is_held_until_the_last_process_of_a_server_is_gone(directory: Path) -> None:
    lock = directory / "lock"
    lock.touch()
    with lock.open() as file:
        with Server(directory / "data", alive=lock) as running:
            postmaster = int((running.data / "postmaster.pid").read_text().split()[0])
            (tether,) = set(processes_with(str(TETHER))) & set(processes_with(str(running.data)))
            with pytest.raises(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.kill(tether, signal.SIGKILL)
        wait_for(lambda: not Path(f"/proc/{postmaster}").exists())
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    lock.unlink()


@e2e
def test_socket_and_log_lie_where_the_caller_says(directory: Path) -> None:
    with Server(directory / "data", runtime=directory) as running:
        assert running.socket_directory.parent == directory
        psycopg.connect(**running.connection()).close()

    assert list(directory.iterdir()) == []


@e2e
def test_a_path_that_is_too_long_for_a_socket_is_told(directory: Path) -> None:
    deep = directory / ("x" * 100)
    deep.mkdir(mode=0o755)

    with pytest.raises(HostUnfit, match="too long for a socket"):
        Server(directory / "data", runtime=deep).start()

    assert list(deep.iterdir()) == []


@e2e
def test_every_test_has_a_database_of_its_own(
    fresh_database: Database,  # noqa: F811
) -> None:
    with fresh_database.connect() as connection:
        connection.execute("CREATE TABLE mine ()")
        name = connection.execute("SELECT current_database()").fetchone()

    assert name == (fresh_database.name,)


@e2e
@pytest.mark.parametrize("killed", [False, True], ids=["in order", "killed"])
def test_a_server_that_is_down_for_a_while_is_found_again_where_it_was(
    directory: Path, *, killed: bool
) -> None:
    with Server(directory / "data") as running:
        where = running.connection_tcp()
        with psycopg.connect(**where, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept (id int)")
            if killed:
                os.kill(
                    int((running.data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL
                )
            running.shut_down()
            running.shut_down()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(**where)

        running.start_again()
        running.start_again()

        assert running.connection_tcp() == where
        with psycopg.connect(**where) as connection:
            connection.execute("SELECT id FROM kept")

    assert processes_with(str(directory)) == []


@e2e
def test_a_server_that_is_down_is_removed_like_any_other(directory: Path) -> None:
    running = Server(directory / "data")
    running.start()
    running.shut_down()

    running.stop()

    assert list(directory.iterdir()) == []
