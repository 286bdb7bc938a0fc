"""A real observer beside a twin: started, asked, gone."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import observing
from lab.errors import ClusterUnreachable, ObserverLost, ServiceNotReady
from lab.observing import Clock
from lab.scenario.load import Load
from lab.twin import observer as module
from lab.twin.observer import Loopback, TwinObserver
from lab.twin.tether import send_signal
from lab.twin.workplace import Workplace
from tests.postgres import Database, fresh_database, postgres  # noqa: F401 - fixtures

pytestmark = [pytest.mark.e2e, pytest.mark.rotating("twin"), pytest.mark.timeout(180)]


@pytest.fixture
def workplace() -> Iterator[Workplace]:
    with tempfile.TemporaryDirectory(prefix="a twin", dir="/tmp") as path:
        Path(path).chmod(0o755)
        with Workplace.new(environ={"TMPDIR": path}, needs_bytes=0) as made:
            yield made


@pytest.fixture
def observer(workplace: Workplace) -> Iterator[TwinObserver]:
    started = TwinObserver.start(workplace, {})
    yield started
    started.close()


def spec(**wanted: Any) -> dict[str, Any]:
    """Return a load on a port where nobody listens."""
    about = {
        "run": "r1",
        "target": "http://127.0.0.1:1",
        "users": 10,
        "chirps": 10,
        "namespace": "chirps",
        "service": "chirps",
        "audit_per_s": 100.0,
        "watch": False,
        "database": False,
    }
    return {**Load().to_json(), **about, **wanted}


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_run_is_begun_read_stopped_and_forgotten(observer: TwinObserver) -> None:
    observer.begin(spec())
    lines: list[Any] = []

    def seen(kind: str) -> bool:
        lines.extend(observer.read("r1"))
        return any(line["kind"] == kind for line in lines)

    wait_for(lambda: seen("request"))
    observer.stop("r1")
    wait_for(lambda: observer.health()["state"] == "stopped")
    assert seen("closed")
    observer.forget("r1")

    assert {line["outcome"] for line in lines if line["kind"] == "request"} == {"refused"}
    assert observer.health()["run"] is None


def test_the_database_is_watched_by_libpqs_variables(
    workplace: Workplace,
    fresh_database: Database,  # noqa: F811
) -> None:
    given = dict(fresh_database.variables)
    password = workplace.directory("passwords") / "observer"
    password.write_text(given.pop("PGPASSWORD"))
    observer = TwinObserver.start(workplace, {**given, "PGPASSWORD_FILE": str(password)})
    try:
        observer.begin(spec(database=True))
        lines: list[Any] = []

        def sampled() -> bool:
            lines.extend(observer.read("r1"))
            return any(line["kind"] == "db" and "missing" not in line for line in lines)

        wait_for(lambda: sampled() or observer.health()["error"])
        assert observer.health()["error"] is None
    finally:
        observer.close()


def test_one_host_has_one_clock(observer: TwinObserver) -> None:
    clock = observer.measure_clock()

    assert clock.offset == 0
    assert clock.bound > 0


def test_another_clock_is_told_as_it_was_measured(
    observer: TwinObserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observing.Observer, "measure_clock", lambda _: Clock(5_000, 10))

    assert observer.measure_clock() == Clock(5_000, 10)


def test_what_it_refuses_is_told(observer: TwinObserver) -> None:
    with pytest.raises(ObserverLost, match="'rate' 0 is not above 0"):
        observer.begin(spec(rate=0.0))
    with pytest.raises(ObserverLost, match="with 404"):
        observer.read("another run")


def test_one_that_was_killed_is_lost_with_how_it_ended(observer: TwinObserver) -> None:
    send_signal(observer._process.pid, signal.SIGKILL)
    observer._process.wait()

    with pytest.raises(ObserverLost, match="the observer was killed by signal 9"):
        observer.health()


def test_one_that_does_not_answer_may_answer_again(tmp_path: Path) -> None:
    loopback = Loopback(1, tmp_path / "a log", lambda: None)

    with pytest.raises(ClusterUnreachable, match="does not answer") as caught:
        loopback.ask("GET", "/healthz", {}, None)

    assert caught.value.hint == f"cat '{tmp_path}/a log'"


def test_one_that_does_not_start_says_why(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOPBACK", "192.0.2.1")  # of no host, RFC 5737

    with pytest.raises(ServiceNotReady, match=r"the observer ended with 1: .*192\.0\.2\.1"):
        TwinObserver.start(workplace, {})


def test_nothing_of_it_is_left_when_it_is_closed_during_a_run(observer: TwinObserver) -> None:
    observer.begin(spec())
    wait_for(lambda: "load" in observer.health()["processes"])
    workers = observer.health()["processes"].values()

    observer.close()
    observer.close()

    assert not observer.is_running
    wait_for(lambda: not any(map(is_there, workers)))


def is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


HOLDER = """
import json, sys, time
from lab.twin.observer import TwinObserver
from lab.twin.workplace import Workplace
place = Workplace.new(environ={"TMPDIR": sys.argv[1]}, needs_bytes=0)
observer = TwinObserver.start(place, {})
observer.begin(json.loads(sys.argv[2]))
while "load" not in (running := observer.health()["processes"]):
    time.sleep(0.05)
print(observer._process.pid, *running.values(), flush=True)
time.sleep(600)
"""


def test_nothing_of_it_is_left_when_its_holder_is_killed(workplace: Workplace) -> None:
    place = workplace.path.parents[1]
    command = [sys.executable, "-c", HOLDER, str(place), json.dumps(spec())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        processes = [int(text) for text in holder.stdout.readline().split()]
        holder.kill()

    assert len(processes) >= 2
    wait_for(lambda: not any(map(is_there, processes)))
    Workplace.new(environ={"TMPDIR": str(place)}, needs_bytes=0).close()
    assert [each.name for each in workplace.path.parent.iterdir() if each.is_dir()] == [
        workplace.path.name
    ]
