"""A world as a program, with real releases on a real PostgreSQL."""

import contextlib
import http.client
import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.scenario.events import problem_with
from tests.postgres import Database, new_database, postgres  # noqa: F401
from tests.twin.program import PROFILE, Program, Refused, is_there, migrate, program, wait_gone

pytestmark = [pytest.mark.e2e, pytest.mark.rotating("twin"), pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def database(postgres: object) -> Iterator[Database]:  # noqa: F811
    with new_database(postgres) as found:  # type: ignore[arg-type]
        migrate(found)
        yield found


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    found = tmp_path / "a place with spaces"
    found.mkdir()
    return found


@pytest.fixture
def twin(directory: Path) -> Iterator[Program]:
    with program(directory) as running:
        yield running


def ask(target: str, path: str = "/version") -> dict[str, str]:
    """Send one request on a connection of its own; return the headers of the answer."""
    host, port = target.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=30)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        return {name.lower(): value for name, value in response.getheaders()}
    finally:
        connection.close()


def test_a_rollout_of_real_releases_replaces_pod_by_pod(twin: Program, database: Database) -> None:
    target = twin.start(database)
    twin.do("wait_ready", within_s=40)
    assert ask(target)["x-chirps-version"] == "v1"
    twin.watch()

    twin.do("set_image", release="v1b")
    twin.do("wait_ready", within_s=40)

    assert ask(target)["x-chirps-version"] == "v1b"
    twin.do("unwatch")
    ready = [sum(each["ready"] for each in line["endpoints"]) for line in twin.of("endpoints")]
    assert min(ready) >= PROFILE["replicas"]
    assert {line["release"] for line in twin.of("pod", type="DELETED")} == {"v1"}
    assert twin.of("deployment")[-1]["conditions"][-1]["reason"] == "NewReplicaSetAvailable"
    assert [problem_with(line) for line in twin.lines if problem_with(line)] == []
    assert twin.lines[-1]["kind"] == "closed"
    assert twin.lines[-1]["lines"] == len(twin.lines)


def test_a_release_that_is_not_there_ends_with_78_and_is_told(
    twin: Program, database: Database
) -> None:
    target = twin.start(database)
    twin.do("wait_ready", within_s=40)
    twin.watch()

    twin.do("set_image", release="v9")
    twin.wait_for_line("pod", release="v9", reason="CrashLoopBackOff")

    with pytest.raises(Refused, match=r"exit code 78.*no release 'v9'") as caught:
        twin.do("wait_ready", within_s=0)
    assert caught.value.kind == "ServiceNotReady"
    assert ask(target)["x-chirps-version"] == "v1"
    assert "78" in twin.wait_for_notice("ended")["detail"]

    twin.do("undo")
    twin.do("wait_ready", within_s=40)
    assert {pod["release"] for pod in twin.pods()} == {"v1"}


def test_a_release_that_never_gets_ready_leaves_the_old_pods(
    twin: Program, database: Database
) -> None:
    target = twin.start(database)
    twin.do("wait_ready", within_s=40)
    twin.watch()

    twin.do("set_image", release="v1b", variables={"PGDATABASE": "no_such_database"})
    twin.wait_for_line("pod", release="v1b", phase="Running")

    with pytest.raises(Refused, match="0 of 2 pods of v1b are Ready; 2 others are left"):
        twin.do("wait_ready", within_s=2)
    assert ask(target)["x-chirps-version"] == "v1"


def test_a_migration_is_a_job_with_its_pod(twin: Program, database: Database) -> None:
    twin.start(database, profile={"replicas": 0})
    twin.watch()

    answer = twin.do("migrate", track="rename-control", to=6, release="v1b")

    assert answer["job"] == "migrate-rename-control-6"
    done = twin.wait_for_line("job", succeeded=1)
    assert [each["type"] for each in done["conditions"]] == ["SuccessCriteriaMet", "Complete"]
    assert twin.wait_for_line("pod", app="migrate", phase="Succeeded")["reason"] == "Completed"
    twin.do("clear_migration")
    twin.wait_for_line("job", deleted=True)


def test_a_stop_right_after_a_migration_leaves_nothing_of_it(twin: Program) -> None:
    twin.start(None, profile={"replicas": 0})

    begun = [twin.send("migrate", track="rename-control", release="v1") for _ in range(3)]
    twin.do("stop")

    for number in begun:
        with contextlib.suppress(Refused):
            twin.answer(number)
    with pytest.raises(Refused, match="not started"):
        twin.do("facts")


def test_a_migration_that_fails_is_tried_once(twin: Program, database: Database) -> None:
    twin.start(database, profile={"replicas": 0})
    twin.watch()

    twin.do("migrate", track="no-such-track", release="v1")

    failed = twin.wait_for_line("job", failed=1)
    assert failed["conditions"][-1]["reason"] == "BackoffLimitExceeded"
    assert "no track 'no-such-track'" in twin.wait_for_notice("ended")["detail"]
    assert twin.of("event", reason="BackoffLimitExceeded", type="Warning")


def test_a_pod_that_is_stopped_gets_unready_and_serves_again(
    twin: Program, database: Database
) -> None:
    twin.start(database, profile={"readiness_probe": {**PROFILE["readiness_probe"],
                                                     "timeout_seconds": 0.2}})  # fmt: skip
    twin.do("wait_ready", within_s=40)
    twin.watch()
    name = twin.pods()[0]["name"]

    twin.do("signal_pod", pod=name, signal="SIGSTOP")
    twin.wait_for_line("pod", name=name, type="MODIFIED", ready=False)
    twin.do("signal_pod", pod=name, signal="SIGCONT")
    twin.do("wait_ready", within_s=40)

    assert twin.of("event", object=f"Pod/{name}", reason="Unhealthy")
    assert {pod["restarts"] for pod in twin.pods()} == {0}


def test_a_pod_that_is_killed_is_started_again(twin: Program, database: Database) -> None:
    twin.start(database)
    twin.do("wait_ready", within_s=40)
    twin.watch()
    name = twin.pods()[0]["name"]

    twin.do("signal_pod", pod=name, signal="SIGKILL")
    twin.wait_for_line("pod", name=name, restarts=1, ready=True)

    again = next(pod for pod in twin.pods() if pod["name"] == name)
    assert (again["exit_code"], again["reason"]) == (137, "Error")


def test_a_deleted_pod_is_replaced(twin: Program, database: Database) -> None:
    twin.start(database)
    twin.do("wait_ready", within_s=40)
    before = {pod["name"] for pod in twin.pods()}
    gone = min(before)

    twin.do("delete_pod", pod=gone)
    twin.do("wait_ready", within_s=40)

    after = {pod["name"] for pod in twin.pods()}
    assert len(after) == 2
    assert gone not in after


def test_stop_leaves_nothing_and_start_may_follow(twin: Program, database: Database) -> None:
    target = twin.start(database)
    twin.do("wait_ready", within_s=40)
    pids = [pod["pid"] for pod in twin.pods()]

    twin.do("stop")

    for pid in pids:
        wait_gone(pid)
    with pytest.raises(ConnectionRefusedError):
        ask(target)
    with pytest.raises(Refused, match="not started"):
        twin.do("pods")
    port = int(target.rpartition(":")[2])
    assert twin.start(database, port=port) == target
    twin.do("wait_ready", within_s=40)


@pytest.mark.parametrize("how", ["end of input", "SIGTERM", "SIGINT", "SIGKILL"])
def test_nothing_outlives_a_world(how: str, directory: Path) -> None:
    with program(directory) as twin:
        twin.start(None)
        pids = [pod["pid"] for pod in twin.wait_for_serving(2)]
        assert all(is_there(pid) for pid in pids)

        if how == "end of input":
            assert twin.end_input() == 0
        else:
            twin.process.send_signal(signal.Signals[how])
        twin.process.wait(45)

        for pid in pids:
            wait_gone(pid)


def test_a_port_that_is_taken_is_told_and_nothing_is_started(twin: Program) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(Refused, match=f"port {port}") as caught:
            twin.start(None, port=port)

    assert caught.value.kind == "HostUnfit"
    twin.start(None, port=port, profile={"replicas": 0})


def test_a_log_that_cannot_be_written_is_told_and_the_pod_serves(
    twin: Program, directory: Path
) -> None:
    keep = directory / "logs"
    keep.mkdir()
    twin.start(None, profile={"replicas": 0}, keep=str(keep))
    keep.rmdir()

    twin.do("scale", replicas=1)

    assert len(twin.wait_for_serving(1)) == 1
    assert str(keep) in twin.wait_for_notice("log lost")["detail"]


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"do": "fly"}, "no command 'fly'"),
        ({"do": "scale", "replicas": -1}, "replicas is -1"),
        ({"do": "set_image"}, "release is None"),
        ({"do": "start", "release": "v1", "profile": {"max_surge": "x"}}, "max_surge is 'x'"),
        ({"do": "start", "release": "v1", "keep": "/no/where"}, "/no/where is no directory"),
        ({"do": "start", "release": "v1", "database": {"PGPORT": 5}}, "database has 'PGPORT'"),
        ({"do": "start", "release": "v1", "nice": "x"}, "nice is 'x'"),
        ({"do": "facts"}, "the twin is not started"),
    ],
)
def test_what_cannot_be_done_is_answered_with_the_reason(
    told: dict[str, object], said: str, twin: Program
) -> None:
    with pytest.raises(Refused, match=said) as caught:
        twin.do(str(told.pop("do")), **told)
    assert caught.value.kind == "InvalidValue"


def test_a_line_that_is_no_command_is_answered_and_the_next_one_is_heard(twin: Program) -> None:
    assert twin.process.stdin is not None
    twin.process.stdin.write(b"\xff not JSON\n[1]\n")

    with pytest.raises(Refused, match="not started"):
        twin.do("facts")
    assert json.dumps(twin.answers_without_id).count("no command") == 2


def test_facts_are_what_the_deployment_was_told(twin: Program) -> None:
    twin.start(None, profile={"replicas": 0, "max_surge": "25%", "max_unavailable": "25%"})

    facts = twin.do("facts")

    assert (facts["max_surge"], facts["max_unavailable"]) == (0, 0)  # of no pods
    assert (facts["release"], facts["grace_s"], facts["paused"]) == ("v1", 10, False)
    assert facts["readiness_probe"] == PROFILE["readiness_probe"]
    twin.do("scale", replicas=6)
    facts = twin.do("facts")
    assert (facts["max_surge"], facts["max_unavailable"], facts["replicas"]) == (2, 1, 6)
