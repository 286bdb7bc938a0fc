"""A world as a child: commands and answers, lines, and every way in which it can be gone."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.errors import InvalidValue, LabError, ServiceNotReady, TwinFailed
from lab.twin.deployment import RolloutRefused
from lab.twin.tether import send_signal
from lab.twin.workplace import Workplace
from lab.twin.world_client import WorldClient, error_of

# Speaks as a world does, as far as it is told to.
FAKE = """
import json, os, sys, time
def say(**said):
    print(json.dumps(said), flush=True)
say(notice="started", t=1, detail=str(os.getpid()))
for line in sys.stdin:
    told = json.loads(line)
    do, number = told["do"], told["id"]
    if do == "echo":
        say(kind="pod", t=2, name="a")
        say(id=number, ok=True, told=told["told"])
    elif do == "fail":
        say(id=number, error=told["error"])
    elif do == "noise":
        print("no JSON", flush=True)
        say(id=None, error={"kind": "InvalidValue", "message": "m", "hint": None})
        say(id=number, ok=True)
    elif do == "die":
        print("last words", file=sys.stderr)
        sys.exit(5)
    elif do == "deaf":
        time.sleep(600)
"""


@pytest.fixture
def workplace() -> Iterator[Workplace]:
    with tempfile.TemporaryDirectory(prefix="a twin", dir="/tmp") as path:
        Path(path).chmod(0o755)
        with Workplace.new(environ={"TMPDIR": path}, needs_bytes=0) as made:
            yield made


@contextmanager
def started(workplace: Workplace, code: str | None = FAKE) -> Iterator[WorldClient]:
    argv = {"argv": (sys.executable, "-c", code)} if code else {}
    client = WorldClient.start(workplace, **argv)
    try:
        yield client
    finally:
        client.close()


@pytest.fixture
def world(workplace: Workplace) -> Iterator[WorldClient]:
    with started(workplace) as client:
        yield client


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 45
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_there(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_command_is_answered_and_lines_and_notices_are_told_apart(world: WorldClient) -> None:
    assert world.ask("echo", told="two words") == {"told": "two words"}

    assert world.read() == [{"kind": "pod", "t": 2, "name": "a"}]
    assert world.read() == []
    assert [each["notice"] for each in world.notices()] == ["started"]


def test_each_of_several_threads_gets_its_own_answer(world: WorldClient) -> None:
    got: dict[int, Any] = {}

    def ask(number: int) -> None:
        got[number] = world.ask("echo", told=number)["told"]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert got == {number: number for number in range(20)}


def error(kind: str) -> dict[str, Any]:
    return {"kind": kind, "message": "what happened", "hint": "do this"}


@pytest.mark.parametrize("kind", [InvalidValue, ServiceNotReady, RolloutRefused])
def test_an_error_comes_out_as_what_it_was(world: WorldClient, kind: type[LabError]) -> None:
    with pytest.raises(kind, match="what happened") as caught:
        world.ask("fail", error=error(kind.__name__))

    assert type(caught.value) is kind
    assert caught.value.hint == "do this"


@pytest.mark.parametrize("kind", ["Bug", "RequestRefused", "EXIT_BUG", "os", "nothing"])
def test_an_error_that_is_none_of_ours_is_the_twins(kind: str) -> None:
    made = error_of(error(kind), hint="cat a log")

    assert type(made) is TwinFailed
    assert (kind == "Bug") == made.message.startswith("the twin met a bug")
    assert made.hint == "cat a log"


def test_what_cannot_be_read_is_a_notice_and_does_no_harm(world: WorldClient) -> None:
    world.ask("noise")

    assert [each.get("notice") for each in world.notices()] == ["started", "unreadable", None]


def test_a_world_that_does_not_answer_in_time_is_told(world: WorldClient) -> None:
    with pytest.raises(TwinFailed, match=r"did not answer 'deaf' within 0\.1 s"):
        world.ask("deaf", bound_s=0.1)
    send_signal(world._process.pid, signal.SIGKILL)


def test_a_world_that_ends_is_told_with_its_last_words(world: WorldClient) -> None:
    with pytest.raises(TwinFailed, match="the twin ended with 5: last words") as caught:
        world.ask("die")
    assert caught.value.hint == f"cat '{world.log}'"
    with pytest.raises(TwinFailed, match="ended with 5"):
        world.ask("echo", told=1)
    with pytest.raises(TwinFailed, match="ended with 5"):
        world.read()


def test_what_it_said_before_its_end_can_still_be_read(world: WorldClient) -> None:
    world.ask("echo", told=1)
    with pytest.raises(TwinFailed):
        world.ask("die")

    assert [line["kind"] for line in world.read()] == ["pod"]


def test_a_world_that_was_killed_is_told(world: WorldClient) -> None:
    world.ask("echo", told=1)
    world.read()
    send_signal(world._process.pid, signal.SIGKILL)

    with pytest.raises(TwinFailed, match="was killed by signal 9"):
        world.ask("echo", told=1)


def test_closing_ends_it_and_may_be_done_twice(workplace: Workplace) -> None:
    with started(workplace) as world:
        world.ask("echo", told=1)
        world.close()
        assert not world.is_running
        assert not is_there(world._process.pid)


def test_a_world_that_does_not_hear_its_input_end_is_ended_all_the_same(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.twin.world_client.GRACE_S", 0.1)
    monkeypatch.setattr("lab.twin.programs.ENDED_WITHIN_S", 0.1)
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "print('{}', flush=True); time.sleep(600)"
    )
    with started(workplace, deaf) as world:
        wait_for(world.notices)
    assert not is_there(world._process.pid)


def test_the_real_world_is_spoken_to(workplace: Workplace) -> None:
    with started(workplace, None) as world:
        with pytest.raises(InvalidValue, match="no command 'nonsense'"):
            world.ask("nonsense")
        assert world.notices()[0]["notice"] == "started"
        assert world.log.read_text() == ""


HOLDER = """
import sys, time
from lab.twin.workplace import Workplace
from lab.twin.world_client import WorldClient
place = Workplace.new(environ={"TMPDIR": sys.argv[1]}, needs_bytes=0)
world = WorldClient.start(place)
try:
    world.ask("nonsense")
except Exception:
    print(world._process.pid, flush=True)
time.sleep(600)
"""


def test_the_world_ends_when_its_holder_is_killed(workplace: Workplace) -> None:
    place = workplace.path.parents[1]
    command = [sys.executable, "-c", HOLDER, str(place)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        group = int(holder.stdout.readline())
        holder.kill()

    wait_for(lambda: not is_there(group))
    Workplace.new(environ={"TMPDIR": str(place)}, needs_bytes=0).close()
    left = [each for each in workplace.path.parent.iterdir() if each.is_dir()]
    assert left == [workplace.path]
