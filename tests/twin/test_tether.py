"""A tether around real processes: what ends with its parent, and what a command sees of it."""

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.twin import tether
from lab.twin.tether import send_signal, tethered

ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="other kernels cannot do it")
IGNORES = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
TELLS_AND_WAITS = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
# Holds a command as lab would, and waits to be killed.
HOLDER = """
import subprocess, sys, time
from lab.twin.tether import tethered
command = tethered([sys.executable, "-c", sys.argv[1]], grace_s=float(sys.argv[2]))
held = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
print(held.pid, held.stdout.readline(), flush=True)
time.sleep(600)
"""


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", code, *arguments]


def run(code: str, **options: object) -> "subprocess.CompletedProcess[str]":
    command = tethered(python(code))
    return subprocess.run(command, capture_output=True, text=True, timeout=50, **options)  # type: ignore[call-overload, no-any-return]


@contextlib.contextmanager
def held(code: str, **options: object) -> "Iterator[tuple[subprocess.Popen[str], int]]":
    """Start code below a tether; give the tether, and the number the code writes first."""
    command = tethered(python(code), **options)  # type: ignore[arg-type]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, int(process.stdout.readline())
        finally:
            send_signal(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def holder(code: str, *, grace_s: float = 20) -> "Iterator[tuple[subprocess.Popen[str], int, int]]":
    """Start who holds a command; give that process, the tether's id and the command's."""
    command = python(HOLDER, code, str(grace_s))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        tether_id, command_id = map(int, process.stdout.readline().split())
        try:
            yield process, tether_id, command_id
        finally:
            process.kill()
            send_signal(tether_id, signal.SIGKILL)


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    # What has ended and waits for its parent has let go of all it had.
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=False
    )
    return state.stdout.strip()[:1] not in ("Z", "")


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 40
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_streams_and_arguments_are_the_commands_own() -> None:
    code = "import sys; print(sys.stdin.read() + sys.argv[1]); print('bad', file=sys.stderr)"
    command = tethered(python(code, "two words"))

    done = subprocess.run(command, input="in ", capture_output=True, text=True, check=False)

    assert (done.stdout, done.stderr) == ("in two words\n", "bad\n")


@pytest.mark.parametrize("status", [0, 1, 78])
def test_the_exit_status_is_the_commands(status: int) -> None:
    assert run(f"raise SystemExit({status})").returncode == status


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_command_that_was_killed_is_seen_as_killed(number: int) -> None:
    assert run(f"import os; os.kill(os.getpid(), {number})").returncode == -number


def test_a_command_that_is_not_there_is_told() -> None:
    done = subprocess.run(
        tethered(["/no such program"]), capture_output=True, text=True, check=False
    )

    assert done.returncode == tether.NOT_FOUND
    assert done.stderr == "/no such program cannot be started: No such file or directory\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_signals_are_passed_on(number: int) -> None:
    code = (
        "import os, signal, sys\n"
        f"signal.signal({number}, lambda *_: sys.exit(7))\n"
        "print(os.getpid(), flush=True)\n"
        "signal.pause()"
    )
    with held(code) as (process, _):
        send_signal(process.pid, number)

        assert process.wait(40) == 7


def test_sigkill_reaches_the_command_and_what_it_started() -> None:
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(child.pid, flush=True)\n"
        "child.wait()"
    )
    with held(code) as (process, grandchild):
        send_signal(process.pid, signal.SIGKILL)

        assert process.wait(40) == -signal.SIGKILL
        wait_until(lambda: not is_alive(grandchild))


def test_a_signal_to_what_has_ended_is_nothing() -> None:
    with subprocess.Popen(tethered(python(""))) as process:
        process.wait(40)

        send_signal(process.pid, signal.SIGKILL)
        send_signal(process.pid, signal.SIGTERM)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_command_ends_with_its_parent(number: signal.Signals) -> None:
    with holder(TELLS_AND_WAITS) as (parent, tether_id, command):
        parent.send_signal(number)

        wait_until(lambda: not is_alive(command) and not is_alive(tether_id))


def test_a_command_that_ignores_sigterm_is_killed_after_the_grace() -> None:
    with holder(IGNORES + TELLS_AND_WAITS, grace_s=0.2) as (parent, tether_id, command):
        parent.kill()

        wait_until(lambda: not is_alive(command) and not is_alive(tether_id))


def test_a_command_has_its_grace_to_end_in_order(tmp_path: Path) -> None:
    mark = tmp_path / "ended in order"
    code = (
        "import os, pathlib, signal, sys, time\n"
        "def end(*_):\n"
        f"    time.sleep(0.5); pathlib.Path({str(mark)!r}).touch(); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\n" + TELLS_AND_WAITS
    )
    with holder(code) as (parent, tether_id, _):
        parent.kill()

        wait_until(lambda: not is_alive(tether_id))

    assert mark.exists()


def test_a_command_that_is_stopped_ends_with_its_parent_too() -> None:
    with holder(TELLS_AND_WAITS) as (parent, _, command):
        os.kill(command, signal.SIGSTOP)
        parent.kill()

        wait_until(lambda: not is_alive(command))


@ON_LINUX
def test_a_command_ends_when_its_tether_is_killed() -> None:
    with holder(TELLS_AND_WAITS) as (_, tether_id, command):
        os.kill(tether_id, signal.SIGKILL)

        wait_until(lambda: not is_alive(command))


def test_without_a_descriptor_for_the_parent_it_is_looked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    ids = iter([5, 1])
    monkeypatch.setattr(os, "getppid", lambda: next(ids))

    watch = tether.ParentWatch(5)

    assert watch.look_again_s == tether.LOOK_EVERY_S
    assert (watch.is_over(), watch.is_over()) == (False, True)


def test_a_command_is_not_started_when_the_parent_is_gone_already() -> None:
    command = tethered(python("print('started')"))
    command[command.index(str(os.getpid()))] = "1"

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (tether.EXIT_ORPHAN, "")


def test_ctrl_c_on_the_terminal_does_not_reach_it() -> None:
    with held("import os; print(os.getpgid(0), flush=True); input()") as (process, group):
        assert group == process.pid != os.getpgid(0)


def test_the_lock_is_held_as_long_as_the_command_or_its_tether_lives(tmp_path: Path) -> None:
    lock = tmp_path / "a lock"
    lock.touch()
    with held(TELLS_AND_WAITS, alive=lock) as (process, command), lock.open() as file:
        assert not can_be_locked(file.fileno())
        send_signal(process.pid, signal.SIGTERM)
        process.wait(40)
        wait_until(lambda: not is_alive(command))
        assert can_be_locked(file.fileno())


def test_nothing_is_started_in_a_place_that_is_being_removed(tmp_path: Path) -> None:
    lock = tmp_path / "a lock"
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)

        assert subprocess.call(tethered(python(""), alive=lock)) == tether.EXIT_ORPHAN
    assert subprocess.call(tethered(python(""), alive=tmp_path / "gone")) == tether.EXIT_ORPHAN


def can_be_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return True


def test_a_priority_is_lowered_by_what_was_asked() -> None:
    code = "import os; print(os.getpriority(os.PRIO_PROCESS, 0), flush=True); input()"
    with held(code, nice=5) as (_, nice):
        assert nice == os.getpriority(os.PRIO_PROCESS, 0) + 5


@pytest.mark.parametrize(("nice", "is_of_ours"), [(5, True), (0, False)])
def test_only_who_is_to_stand_back_stays_in_our_session(nice: int, *, is_of_ours: bool) -> None:
    with held("import os; print(os.getsid(0), flush=True); input()", nice=nice) as (_, session):
        assert (session == os.getsid(0)) == is_of_ours


def test_a_write_to_a_command_that_has_ended_fails() -> None:
    with held("print(1, flush=True)") as (process, _):
        assert process.stdin is not None
        process.wait(40)
        assert select.select([], [process.stdin], [], 0)[1]
        with pytest.raises(BrokenPipeError):
            os.write(process.stdin.fileno(), b"x")
