"""A real process is told to stop: what becomes of those it has let in?"""

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.chirps.process import Process, exchange, process, read, wait_for
from tests.chirps.real import add_users, migrate_up
from tests.chirps.relay import relay
from tests.postgres import Database, fresh_database, postgres  # noqa: F401 - fixtures

pytestmark = pytest.mark.e2e

STAGES = ["draining", "not accepting", "finished", "workers stopped", "pool closed"]
WAITING = """SELECT count(*) FROM pg_stat_activity
WHERE application_name = 'chirps/v1/pod-1' AND wait_event_type = 'Lock'"""


@pytest.fixture
def database(fresh_database: Database) -> Database:  # noqa: F811 - a fixture
    migrate_up(fresh_database)
    add_users(fresh_database)
    return fresh_database


@pytest.fixture
def service(database: Database) -> Iterator[Process]:
    with process(database.variables) as running:
        running.wait_until_ready()
        yield running


@contextmanager
def held(database: Database) -> Iterator[None]:
    """Hold the table, so that whoever reads chirps waits."""
    with database.connect() as holder:
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE chirps")
        yield
        holder.execute("ROLLBACK")


def waits(database: Database) -> int:
    with database.connect() as connection:
        (count,) = connection.execute(WAITING).fetchone()  # type: ignore[misc]
        return int(count)


def begin(service: Process, target: str) -> http.client.HTTPConnection:
    """Send a request and do not wait for its answer."""
    connection = service.connect()
    connection.request("GET", target)
    return connection


def test_an_idle_process_leaves_in_stages_and_with_0(service: Process) -> None:
    service.terminate()

    assert service.wait() == 0
    service.wait_for_line(stage="pool closed")
    assert service.stages == STAGES
    assert service.wait_for_line(stage="draining")["signal"] == "SIGTERM"
    times = [line["ms"] for line in service.lines if line["event"] == "shutdown"]
    assert times == sorted(times)
    assert times[0] == 0


def test_a_request_under_way_is_answered_although_the_process_is_leaving(
    service: Process, database: Database
) -> None:
    with held(database):
        slow = begin(service, "/chirps")
        wait_for(lambda: waits(database) == 1)
        service.terminate()
        service.wait_for_line(stage="not accepting")
    status, headers, _ = read(slow)

    assert (status, headers["connection"], headers["x-chirps-draining"]) == (200, "close", "true")
    assert service.wait() == 0
    assert service.wait_for_line(stage="finished")["cut_off"] == 0


def test_a_draining_process_says_so_on_connections_it_has(
    service: Process, database: Database
) -> None:
    with held(database):
        probe, page, slow = service.connect(), service.connect(), begin(service, "/chirps")
        assert exchange(probe, "GET", "/readyz")[1]["x-chirps-draining"] == "false"
        assert exchange(page, "GET", "/page")[0] == 200
        wait_for(lambda: waits(database) == 1)
        service.terminate()
        service.wait_for_line(stage="not accepting")

        status, headers, body = exchange(probe, "GET", "/readyz")
        assert (status, headers["x-chirps-draining"], headers["connection"]) == (
            503,
            "true",
            "close",
        )
        assert b'"draining":true' in body
        assert exchange(page, "GET", "/page")[0] == 200
    assert read(slow)[0] == 200
    assert service.wait() == 0


def test_nobody_new_is_let_in(service: Process, database: Database) -> None:
    with held(database):
        slow = begin(service, "/chirps")
        wait_for(lambda: waits(database) == 1)
        service.terminate()
        service.wait_for_line(stage="not accepting")

        with pytest.raises(ConnectionRefusedError):
            service.connect()
    assert read(slow)[0] == 200


def test_no_request_on_an_open_connection_is_lost(service: Process) -> None:
    """Every client goes on until it is told to close, and is answered until then."""
    clients = [Client(service) for _ in range(8)]
    for client in clients:
        client.start()
    wait_for(lambda: all(client.answered >= 5 for client in clients))
    service.terminate()
    for client in clients:
        client.join()

    assert [client.failure for client in clients] == [None] * len(clients)
    assert service.wait() == 0
    assert service.wait_for_line(stage="finished")["cut_off"] == 0


class Client(threading.Thread):
    """Posts one chirp after the other on one connection, until told to close it."""

    def __init__(self, service: Process) -> None:
        super().__init__()
        self._connection = service.connect()
        self.answered = 0
        self.failure: Exception | None = None

    def run(self) -> None:
        try:
            headers: dict[str, str] = {}
            while headers.get("connection") != "close":
                status, headers, body = exchange(self._connection, "POST", "/chirps", {"body": "x"})
                assert status == 201, body
                self.answered += 1
        except Exception as error:
            self.failure = error
        finally:
            self._connection.close()


def test_a_connection_that_was_let_in_may_still_bring_its_first_request(service: Process) -> None:
    early = service.connect()
    assert service.ask("GET", "/page")[0] == 200  # the queue is served in order
    service.terminate()
    service.wait_for_line(stage="not accepting")

    assert exchange(early, "GET", "/page")[0] == 200
    assert service.wait() == 0


def test_a_connection_that_brings_nothing_does_not_hold_the_process(database: Database) -> None:
    with process(database.variables, linger_s=0.1) as service:
        idle = service.connect()
        assert service.ask("GET", "/page")[0] == 200
        service.terminate()

        assert service.wait() == 0
        assert service.wait_for_line(stage="finished")["cut_off"] == 0
        assert idle.sock.recv(1) == b""
        idle.close()


def test_what_does_not_finish_in_time_is_cut_off_with_an_answer(database: Database) -> None:
    variables = {**database.variables, "CHIRPS_GRACEFUL_S": "0.3"}
    with process(variables) as service, held(database):
        service.wait_until_ready()
        slow = begin(service, "/chirps")
        wait_for(lambda: waits(database) == 1)
        service.terminate()

        status, headers, body = read(slow)
        assert (status, headers["x-chirps-version"], headers["retry-after"]) == (503, "v1", "1")
        assert b"time has run out" in body
        assert service.wait() == 0
        assert service.wait_for_line(stage="finished")["cut_off"] == 1
        # Nothing goes on in the database for a client that is gone.
        wait_for(lambda: waits(database) == 0)


def test_a_process_that_never_reached_its_database_leaves_as_well() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        variables = {"PGHOST": "127.0.0.1", "PGPORT": str(silent.getsockname()[1])}
        with process(variables) as service:
            assert service.ask("GET", "/startupz")[0] == 503
            assert service.ask("GET", "/livez")[0] == 200
            service.terminate()

            assert service.wait() == 0
            service.wait_for_line(stage="pool closed")


def test_a_process_that_waits_at_its_gate_leaves_at_once(fresh_database: Database) -> None:  # noqa: F811 - a fixture
    with process({**fresh_database.variables, "CHIRPS_GATE": "wait"}) as service:
        wait_for(lambda: service.ask("GET", "/startupz")[0] == 503)
        service.terminate()

        assert service.wait() == 0
        service.wait_for_line(stage="pool closed")
        assert service.stages == STAGES


def test_a_second_signal_changes_nothing(service: Process, database: Database) -> None:
    with held(database):
        slow = begin(service, "/chirps")
        wait_for(lambda: waits(database) == 1)
        service.terminate()
        service.wait_for_line(stage="not accepting")
        service.terminate()
        service.wait_for_line(event="told again", signal="SIGTERM")
    assert read(slow)[0] == 200
    for _ in range(50):
        service.terminate()

    assert service.wait() == 0
    service.wait_for_line(stage="pool closed")
    assert service.stages == STAGES


def test_a_request_that_hangs_with_the_database_is_answered_and_holds_nobody(
    database: Database,
) -> None:
    """The database goes away without a word, so no statement of it can be cancelled."""
    with relay(database) as between:
        variables = {**database.variables, **between.variables, "CHIRPS_GRACEFUL_S": "2"}
        with process(variables, linger_s=0.1) as service:
            service.wait_until_ready()
            with held(database):
                slow = begin(service, "/chirps")
                wait_for(lambda: waits(database) == 1)
                between.stall()
                service.terminate()
                status, headers, body = read(slow)

            assert (status, headers["connection"]) == (503, "close")
            assert b"time has run out" in body
            assert service.wait() == 0
            service.wait_for_line(stage="pool closed")
            assert service.stages == STAGES
            finished = service.wait_for_line(stage="finished")
            assert (finished["cut_off"], finished["unanswered"]) == (1, 0)


def test_a_thread_that_hangs_does_not_hold_the_process(database: Database) -> None:
    """As one does that looks up a name in vain: Python would wait for it at the end."""
    prelude = "import threading; threading.Thread(target=threading.Event().wait).start()"
    with process(database.variables, linger_s=0.1, prelude=prelude) as service:
        service.wait_until_ready()
        service.terminate()

        assert service.wait() == 0
        service.wait_for_line(stage="cut short")


def test_bytes_that_are_not_http_are_told_who_read_them(service: Process) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        connection.sendall(b"\0\0\0\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(4096), b""))

    assert answer.startswith(b"HTTP/1.1 400 ")
    for header in (b"x-chirps-version: v1", b"x-chirps-pod: pod-1", b"x-chirps-schema: "):
        assert header in answer


def test_a_running_process_sees_the_schema_change(service: Process, database: Database) -> None:
    wait_for(lambda: service.ask("GET", "/page")[1]["x-chirps-schema"] == "5")

    migrate_up(database, "rename-careless")

    wait_for(lambda: service.ask("GET", "/page")[1]["x-chirps-schema"] == "6")
    status, headers, body = service.ask("GET", "/chirps")
    assert (status, headers["x-chirps-version"]) == (500, "v1")
    assert b'"sqlstate":"42703"' in body
    line = service.wait_for_line(event="request", status=500)
    assert (line["sqlstate"], line["release"], line["level"]) == ("42703", "v1", "warning")
    assert service.ask("GET", "/readyz")[0] == 200
